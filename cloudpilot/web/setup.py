"""The first visit: who holds the set-up code becomes the owner."""

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from cloudpilot.db import reading, transaction
from cloudpilot.domain import attempts, audit, passwords, people
from cloudpilot.domain.audit import Action
from cloudpilot.errors import InvalidConfig
from cloudpilot.web import access, limits
from cloudpilot.web.access import public
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import SetupForm

bp = Blueprint("setup", __name__)


@bp.route("/setup", methods=["GET", "POST"])
@public
@limits.attempts
def show() -> Response:
    """The form that makes an owner; once there is one it leads to the sign-in page."""
    with reading() as session:
        done = people.has_owner(session)
    if done:
        return redirect(url_for("sign_in.show"), 303)
    form = SetupForm()
    return sent(form, lambda: _create(form)) or page("setup.html", form)


def _create(form: SetupForm) -> str:
    attempt = limits.attempt()
    with reading() as session:
        code_hash = people.setup_code_hash(session)
    if code_hash is None or not passwords.matches(code_hash, form.code.value):
        limits.refused(attempt, door="set-up")
        raise InvalidConfig(
            "The set-up code is wrong. `flask --app wsgi setup-code` prints a new one."
        )
    password_hash = passwords.hashed(form.password.value)
    with transaction() as session:
        owner = people.create_owner(
            session,
            code_hash,
            email=form.email.value,
            name=form.name.value,
            password_hash=password_hash,
        )
        attempts.was_right(session, attempt)
        by = access.actor(owner)
        audit.record(session, by, Action.OWNER_CREATED, owner, name=owner.email)
        token = access.admit(session, owner)
    access.enter(token)
    return url_for("overview.show")
