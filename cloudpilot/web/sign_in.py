"""Signing in and out."""

from urllib.parse import urlsplit

from flask import Blueprint, g, redirect, request, url_for
from werkzeug.wrappers import Response

from cloudpilot.db import reading
from cloudpilot.domain import people
from cloudpilot.errors import SignInFailed
from cloudpilot.text import has_controls
from cloudpilot.web import access
from cloudpilot.web.access import public
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import SignInForm
from cloudpilot.web.limits import attempts

bp = Blueprint("sign_in", __name__)


@bp.route("/sign-in", methods=["GET", "POST"])
@public
@attempts
def show() -> Response:
    """The sign-in form; before there is an owner, the way to the set-up."""
    if g.me:
        return redirect(url_for("overview.show"), 303)
    with reading() as session:
        if not people.has_owner(session):
            return redirect(url_for("setup.show"), 303)
    form = SignInForm(data={"next": own_path(request.args.get("next"))})
    return sent(form, lambda: _enter(form)) or page("sign_in.html", form)


@bp.post("/sign-out")
@public
def leave() -> Response:
    """End this session."""
    access.leave()
    return redirect(url_for("sign_in.show"), 303)


def own_path(text: str | None) -> str | None:
    """`text` if it is a path of this panel, else None.

    >>> own_path("/backups?page=2"), own_path("//evil.example"), own_path("/\\\\evil.example")
    ('/backups?page=2', None, None)
    """
    if not text or not text.startswith("/") or "\\" in text or has_controls(text):
        return None
    parts = urlsplit(text)
    return None if text.startswith("//") or parts.scheme or parts.netloc else text


def _enter(form: SignInForm) -> str:
    with reading() as session:
        person = people.signed_in(session, form.email.value, form.password.value)
    if person is None:
        raise SignInFailed("The e-mail address or the password is wrong.")
    access.enter(person)
    return own_path(form.next.data) or url_for("overview.show")
