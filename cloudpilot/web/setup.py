"""The first visit: who holds the set-up code becomes the owner."""

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from cloudpilot.db import reading, transaction
from cloudpilot.domain import people
from cloudpilot.web import access
from cloudpilot.web.access import public
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import SetupForm
from cloudpilot.web.limits import attempts

bp = Blueprint("setup", __name__)


@bp.route("/setup", methods=["GET", "POST"])
@public
@attempts
def show() -> Response:
    """The form that makes an owner; once there is one it leads to the sign-in page."""
    with reading() as session:
        done = people.has_owner(session)
    if done:
        return redirect(url_for("sign_in.show"), 303)
    form = SetupForm()
    return sent(form, lambda: _create(form)) or page("setup.html", form)


def _create(form: SetupForm) -> str:
    with transaction() as session:
        given = form.values()
        owner = people.create_owner(session, given.pop("code"), **given)
    access.enter(owner)
    return url_for("overview.show")
