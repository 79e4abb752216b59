"""Signing in and out."""

from flask import Blueprint, g, redirect, request, url_for
from werkzeug.wrappers import Response

from cloudpilot.db import reading, transaction
from cloudpilot.domain import attempts, passwords, people
from cloudpilot.errors import SignInFailed
from cloudpilot.web import access, limits
from cloudpilot.web.access import own_path, public
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import SignInForm

bp = Blueprint("sign_in", __name__)


@bp.route("/sign-in", methods=["GET", "POST"])
@public
@limits.attempts
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


def _enter(form: SignInForm) -> str:
    email = form.email.value
    attempt = limits.attempt(email)
    with reading() as session:
        person = people.by_email(session, email)
    right = passwords.matches(person.password_hash if person else None, form.password.value)
    if person is None or person.disabled_at or not right:
        limits.refused(attempt, person)
        raise SignInFailed("The e-mail address or the password is wrong.")
    with transaction() as session:
        same = people.unchanged(session, person)
        if same is None:
            raise SignInFailed("The password was changed a moment ago.")
        attempts.was_right(session, attempt)
        token = access.admit(session, same)
    access.enter(token)
    return own_path(form.next.data) or url_for("overview.show")
