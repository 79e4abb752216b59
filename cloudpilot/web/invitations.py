"""Invitations: a link that lets one person in; it is shown once, to whoever made it."""

from uuid import UUID

from flask import Blueprint, current_app, make_response, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import transaction
from cloudpilot.domain import links, membership
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.people import InviteForm

bp = Blueprint("invitations", __name__, url_prefix="/people")


@bp.route("/invite", methods=["GET", "POST"])
@needs(Right.PEOPLE)
def new() -> BaseResponse:
    """Invite somebody."""
    form = InviteForm(role=Role.MEMBER)
    form.role.offer(membership.roles_to_give(me()))

    def act() -> BaseResponse:
        with transaction() as session:
            return _made(session, form.email.value, form.role.data)

    return sent(form, act) or page("people/invite.html", form)


@bp.post("/invitations/<uuid:link_id>/renew")
@needs(Right.PEOPLE)
def renew(link_id: UUID) -> BaseResponse:
    """Make another link in the place of one that was lost."""
    with transaction() as session:
        link = links.invitation(session, link_id)
        return _made(session, link.email, link.role or Role.VIEWER)


@bp.post("/invitations/<uuid:link_id>/withdraw")
@needs(Right.PEOPLE)
def withdraw(link_id: UUID) -> BaseResponse:
    """Have a link let nobody in."""
    with transaction() as session:
        link = membership.withdraw(session, me(), link_id)
        note(session, Action.INVITATION_WITHDRAWN, link, name=link.email, role=link.role)
    return redirect(url_for("people.index"), 303)


def address_of(token: Secret) -> str:
    """The whole address of a link, of the panel's own name: not of what the request says."""
    settings: Settings = current_app.extensions["settings"]
    return settings.url.rstrip("/") + url_for("links.show", token=token.reveal())


def _made(session: Session, email: str, role: Role) -> BaseResponse:
    token = membership.invite(session, me(), email, role)
    note(
        session, Action.PERSON_INVITED, links.opened(session, token.reveal()), name=email, role=role
    )
    address = address_of(token)
    return make_response(
        render_template("links/made.html", address=address, email=email, role=role)
    )
