"""One-time links: whoever has one comes in, as somebody new or with a new password."""

from flask import Blueprint, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, links, membership, passwords
from cloudpilot.domain.audit import Action
from cloudpilot.domain.links import OneTimeLink, Purpose
from cloudpilot.web import access, limits
from cloudpilot.web.access import public
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import JoinForm, ResetForm

bp = Blueprint("links", __name__)


@bp.route("/link/<token>", methods=["GET", "POST"])
@public
@limits.attempts
def show(token: str) -> BaseResponse:
    """The form behind a link. To look at it uses nothing up: mail programs look, too."""
    link = _opened(token)
    joins = link.purpose is Purpose.INVITATION
    form = JoinForm() if joins else ResetForm()
    answer = sent(form, lambda: _use(form, token)) or page(
        "links/show.html", form, link=link, token=token, joins=joins
    )
    # The address is a secret; the host alone has to be told, for the form's token to be checked.
    answer.headers["Referrer-Policy"] = "strict-origin"
    return answer


def _opened(token: str) -> OneTimeLink:
    """Nothing is counted: nobody guesses 256 bits, and whoever puts a picture with such an address
    on a page could lock its visitors out."""
    with reading() as session:
        return links.opened(session, token)


def _use(form: JoinForm | ResetForm, token: str) -> str:
    password_hash = passwords.hashed(form.password.value)
    with transaction() as session:
        if isinstance(form, JoinForm):
            name = form.name.value
            person = membership.join(session, token, name=name, password_hash=password_hash)
            action, details = Action.PERSON_JOINED, {"role": person.role}
        else:
            person = membership.reset_password(session, token, password_hash)
            action, details = Action.PASSWORD_RESET, {}
        audit.record(session, access.actor(person), action, person, name=person.email, **details)
        admitted = access.admit(session, person)
    access.enter(admitted)
    return url_for("overview.show")
