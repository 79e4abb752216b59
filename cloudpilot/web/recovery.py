"""Recovery: the key that is made and shown once, and all of the panel as a file."""

from os import SEEK_END

from flask import Blueprint, Response, make_response, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse
from werkzeug.wsgi import FileWrapper

from cloudpilot import recovery
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import beginning, panel_exports, passwords, people, rest
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.errors import InvalidConfig
from cloudpilot.exports import files, writing
from cloudpilot.web import answers, limits, step_up
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.recovery import BeginForm, EndingForm, ProofForm
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


@bp.post("/export")
@needs(Right.RECOVERY)
@limits.attempts
def export() -> BaseResponse:
    """All of the panel as a file, as it is now."""
    form = ProofForm(prefix="export")
    return sent(form, lambda: _export(form)) or _page(exporting=form)


@bp.post("/begin")
@needs(Right.RECOVERY)
@limits.attempts
def begin() -> BaseResponse:
    """The panel that this one was exported from is gone: everything goes on."""
    form = BeginForm(prefix="begin")
    return sent(form, lambda: _begin(form)) or _page(beginning=form)


def _begin(form: BeginForm) -> str:
    step_up.prove(form.password.value, "begin after an import")
    with transaction() as session:
        back = beginning.begin(session, me())
        note(session, Action.PANEL_BEGUN, made_at=back.made_at.isoformat(), panel=back.panel)
    return url_for("overview.show")


def _export(form: ProofForm) -> Response:
    step_up.prove(form.password.value, "export")
    with reading() as session:
        whom = writing.whom(session, sealer())
    file, written = files.spooled(db.engine, sealer(), whom)
    with answers.closing(file), transaction() as session:
        note(session, Action.PANEL_EXPORTED, rows=written.counts)
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return answers.file(files.name(written.made_at), size, FileWrapper(file))


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
        # Sent twice, as by a double click, it is in use by then.
        key = keys.unconfirmed(session) or keys.current(session)
    if key is None or not passwords.matches(key.ending_hash, form.ending.value):
        raise InvalidConfig(
            "These are not the last characters of the key that was made last. If you do not have"
            " it, make another one."
        )
    with transaction() as session:
        keys.confirm(session, key)
        note(session, Action.RECOVERY_KEY_CONFIRMED, recipient=key.recipient)
    return url_for(".show")


def _page(**refused: Form) -> Response:
    """The page; one of its forms, by name, may hold what was refused."""
    forms: dict[str, Form] = {
        "making": ProofForm(formdata=None, prefix="make"),
        "ending": EndingForm(formdata=None),
        "exporting": ProofForm(formdata=None, prefix="export"),
        "beginning": BeginForm(formdata=None, prefix="begin"),
    }
    with reading() as session:
        key, waiting = keys.current(session), keys.unconfirmed(session)
        by = {person.id: person.name for person in people.listed(session)}
        back = rest.current(session)
        ahead = beginning.ahead(session) if back else None
        standings = panel_exports.standings(session)
    return page(
        "recovery/show.html",
        next(iter(refused.values()), Form(formdata=None)),
        key=key,
        waiting=waiting,
        by=by,
        back=back,
        ahead=ahead,
        standings=standings,
        **forms | refused,
    )
