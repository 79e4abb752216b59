"""The recovery key: made, shown once, confirmed, replaced."""

from flask import Blueprint, Response, make_response, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot import recovery
from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords, people
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.errors import InvalidConfig
from cloudpilot.web import limits, step_up
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.recovery import EndingForm, ProofForm
from cloudpilot.web.forms.sealed import sealer

bp = Blueprint("recovery", __name__, url_prefix="/recovery")


@bp.get("")
@needs(Right.RECOVERY)
def show() -> Response:
    """Whether there is a key."""
    return _page()


@bp.post("/make")
@needs(Right.RECOVERY)
@limits.attempts
def make() -> BaseResponse:
    """A new key, shown on the page that answers and never again."""
    form = ProofForm(prefix="make")
    return sent(form, lambda: _make(form)) or _page(making=form)


@bp.post("/confirm")
@needs(Right.RECOVERY)
@limits.attempts
def confirm() -> BaseResponse:
    """Somebody has it: from now on what is exported is encrypted for it."""
    form = EndingForm()
    return sent(form, lambda: _confirm(form)) or _page(ending=form)


def _make(form: ProofForm) -> Response:
    step_up.prove(form.password.value, "recovery key")
    made = recovery.new()
    ending_hash = passwords.hashed(recovery.ending(made.secret))
    with transaction() as session:
        key = keys.add(session, sealer(), made, ending_hash, me())
        note(session, Action.RECOVERY_KEY_MADE, recipient=key.recipient)
    shown = render_template(
        "recovery/made.html", secret=made.secret.reveal(), ending=EndingForm(formdata=None)
    )
    return make_response(shown)


def _confirm(form: EndingForm) -> str:
    with reading() as session:
        key = keys.unconfirmed(session)
    if key is None or not passwords.matches(key.ending_hash, form.ending.value):
        raise InvalidConfig(
            "These are not the last characters of the key that was made last. If you do not have"
            " it, make another one."
        )
    with transaction() as session:
        keys.confirm(session, key)
        note(session, Action.RECOVERY_KEY_CONFIRMED, recipient=key.recipient)
    return url_for(".show")


def _page(making: Form | None = None, ending: Form | None = None) -> Response:
    """The page; one of its forms may hold what was refused."""
    with reading() as session:
        key, waiting = keys.current(session), keys.unconfirmed(session)
        by = {person.id: person.name for person in people.listed(session)}
    return page(
        "recovery/show.html",
        making or ending or Form(formdata=None),
        key=key,
        waiting=waiting,
        by=by,
        making=making or ProofForm(formdata=None, prefix="make"),
        ending=ending or EndingForm(formdata=None),
    )
