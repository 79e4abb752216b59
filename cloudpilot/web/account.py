"""My account: what I am called, my password, and where I am signed in."""

from uuid import UUID

from flask import Blueprint, Response, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import attempts, audit, membership, passwords, people, sessions
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.errors import InvalidConfig
from cloudpilot.web import limits
from cloudpilot.web.access import me, my_session, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.people import NameForm, PasswordForm

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("")
@needs(Right.VIEW)
def show() -> Response:
    """My own page."""
    return _page()


@bp.post("/name")
@needs(Right.VIEW)
def rename() -> BaseResponse:
    """Be called something else."""
    form = NameForm()

    def act() -> str:
        with transaction() as session:
            mine = people.find(session, me().id)
            changes = audit.changes(mine, form.values())
            note(session, Action.PERSON_RENAMED, mine, name=mine.email, changes=changes)
            mine.name = form.name.value
        return url_for(".show")

    return sent(form, act) or _page(named=form)


@bp.post("/password")
@needs(Right.VIEW)
@limits.attempts
def change_password() -> BaseResponse:
    """Choose another password; whoever else is signed in as me is out."""
    form = PasswordForm()
    return sent(form, lambda: _change_password(form)) or _page(password=form)


@bp.post("/sessions/<uuid:session_id>/end")
@needs(Right.VIEW)
def end_session(session_id: UUID) -> BaseResponse:
    """Sign out elsewhere."""
    with transaction() as session:
        ended = sessions.end(session, me().id, session_id)
        note(session, Action.SESSION_ENDED, me(), name=me().email, agent=ended.agent)
    return redirect(url_for(".show"), 303)


@bp.post("/sessions/end-others")
@needs(Right.VIEW)
def end_other_sessions() -> BaseResponse:
    """Sign out everywhere else."""
    with transaction() as session:
        count = sessions.end_all(session, me().id, but=my_session().id)
        note(session, Action.SESSIONS_ENDED, me(), name=me().email, count=count)
    return redirect(url_for(".show"), 303)


def _change_password(form: PasswordForm) -> str:
    attempt = limits.attempt(me().email)
    if not passwords.matches(me().password_hash, form.old.value):
        limits.refused(attempt, me(), door="password change")
        raise InvalidConfig("The password that you gave as yours is wrong.")
    new_hash = passwords.hashed(form.password.value)
    with transaction() as session:
        attempts.was_right(session, attempt)
        mine = membership.change_password(
            session, me().id, me().password_hash, new_hash, keep=my_session().id
        )
        note(session, Action.PASSWORD_CHANGED, mine, name=mine.email)
    return url_for(".show")


def _page(named: NameForm | None = None, password: PasswordForm | None = None) -> Response:
    """The page; one of its forms may hold what was refused."""
    with reading() as session:
        mine = sessions.listed(session, me().id)
    refused: Form = named or password or Form(formdata=None)
    return page(
        "account/show.html",
        refused,
        named=named or NameForm(formdata=None, obj=me()),
        password=password or PasswordForm(formdata=None),
        sessions=mine,
        this=my_session().id,
    )
