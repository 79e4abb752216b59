"""People: who may use the panel, what each may do, and where they are signed in."""

from uuid import UUID

from flask import Blueprint, make_response, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import links, membership, people, sessions
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.agents import browser
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import RoleForm
from cloudpilot.web.invitations import address_of

bp = Blueprint("people", __name__, url_prefix="/people")
bp.add_app_template_filter(browser, "browser")


@bp.get("")
@needs(Right.PEOPLE)
def index() -> str:
    """Everybody, and who was invited."""
    with reading() as session:
        everybody = people.listed(session)
        last_seen = sessions.last_seen(session)
        invited = links.invitations(session)
    return render_template(
        "people/index.html",
        people=everybody,
        last_seen=last_seen,
        invited=invited,
        roles=membership.roles_to_give(me()),
    )


@bp.get("/<uuid:person_id>")
@needs(Right.PEOPLE)
def show(person_id: UUID) -> BaseResponse:
    """One person."""
    return _page(person_id)


@bp.post("/<uuid:person_id>/role")
@needs(Right.PEOPLE)
def change_role(person_id: UUID) -> BaseResponse:
    """Let somebody do more, or less."""
    form = RoleForm()
    form.role.offer(membership.roles_to_give(me()))

    def act() -> str:
        with transaction() as session:
            person, before = membership.change_role(session, me(), person_id, form.role.data)
            details = {"before": before, "after": person.role}
            note(session, Action.ROLE_CHANGED, person, name=person.email, **details)
        return url_for(".show", person_id=person_id)

    return sent(form, act) or _page(person_id, form)


@bp.post("/<uuid:person_id>/disable")
@needs(Right.PEOPLE)
def disable(person_id: UUID) -> BaseResponse:
    """Let somebody in no more."""
    with transaction() as session:
        person = membership.disable(session, me(), person_id)
        note(session, Action.PERSON_DISABLED, person, name=person.email)
    return redirect(url_for(".show", person_id=person_id), 303)


@bp.post("/<uuid:person_id>/enable")
@needs(Right.PEOPLE)
def enable(person_id: UUID) -> BaseResponse:
    """Let somebody in again."""
    with transaction() as session:
        person = membership.enable(session, me(), person_id)
        note(session, Action.PERSON_ENABLED, person, name=person.email)
    return redirect(url_for(".show", person_id=person_id), 303)


@bp.post("/<uuid:person_id>/reset-link")
@needs(Right.PEOPLE)
def offer_reset(person_id: UUID) -> BaseResponse:
    """A link for somebody who has forgotten their password, shown this once."""
    with transaction() as session:
        person, token = membership.offer_reset(session, me(), person_id)
        note(session, Action.RESET_LINK_MADE, person, name=person.email)
    return make_response(
        render_template("links/made.html", address=address_of(token), email=person.email, role=None)
    )


@bp.post("/<uuid:person_id>/sessions/<uuid:session_id>/end")
@needs(Right.PEOPLE)
def end_session(person_id: UUID, session_id: UUID) -> BaseResponse:
    """Sign somebody out of one browser."""
    with transaction() as session:
        _end(session, person_id, session_id)
    return redirect(url_for(".show", person_id=person_id), 303)


@bp.post("/<uuid:person_id>/sessions/end")
@needs(Right.PEOPLE)
def end_sessions(person_id: UUID) -> BaseResponse:
    """Sign somebody out everywhere."""
    with transaction() as session:
        _end(session, person_id, None)
    return redirect(url_for(".show", person_id=person_id), 303)


def _end(session: Session, person_id: UUID, session_id: UUID | None) -> None:
    person = membership.end_session(session, me(), person_id, session_id)
    action = Action.SESSION_ENDED if session_id else Action.SESSIONS_ENDED
    note(session, action, person, name=person.email)


def _page(person_id: UUID, form: RoleForm | None = None) -> BaseResponse:
    """The person's page; its form may hold what was refused."""
    with reading() as session:
        person = people.find(session, person_id)
        signed_in = sessions.listed(session, person_id)
        last_seen = sessions.last_seen(session).get(person_id)
    if form is None:
        form = RoleForm(formdata=None, role=person.role)
        form.role.offer(membership.roles_to_give(me()))
    return page(
        "people/show.html",
        form,
        person=person,
        sessions=signed_in,
        last_seen=last_seen,
        may_change=membership.may_change(me(), person),
        may_reset=membership.may_reset(me(), person) and not person.disabled_at,
    )
