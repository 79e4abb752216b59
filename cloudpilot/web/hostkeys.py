"""Whose key a server shows: it is compared once, pinned, and a change is a hard stop."""

from contextlib import suppress
from uuid import UUID

from flask import Blueprint, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import transaction
from cloudpilot.domain import servers
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.domain.servers import Server
from cloudpilot.errors import BackupInProgress, InvalidConfig
from cloudpilot.jobs import enrolment
from cloudpilot.kinds import Privilege
from cloudpilot.web.access import needs, note
from cloudpilot.web.forms import sent
from cloudpilot.web.forms.servers import OfferedKeyForm, PastedKeysForm
from cloudpilot.web.privileges import level
from cloudpilot.web.servers import page_of, ring_check

bp = Blueprint("hostkeys", __name__, url_prefix="/servers/<uuid:server_id>")


@bp.post("/approve")
@needs(Right.SERVERS)
def approve_pasted(server_id: UUID) -> BaseResponse:
    """Pin the keys that the set-up command printed."""
    form = PastedKeysForm()

    def act() -> str:
        with transaction() as session:
            server = servers.find(session, server_id)
            enrolment.approve_pasted(session, server, form.host_keys.value)
            given = server.privilege
            note(
                session,
                Action.HOST_KEYS_APPROVED,
                server,
                host_keys=server.host_keys,
                privilege=given,
            )
            wished = level(request.form.get("wished"))
            differs = wished not in {None, given}
            return _first_check(session, server, wished=wished if differs else None)

    return sent(form, act) or page_of(server_id, form, OfferedKeyForm(formdata=None))


@bp.post("/approve-offered")
@needs(Right.SERVERS)
def approve_offered(server_id: UUID) -> BaseResponse:
    """Pin the key that the server has shown, once somebody has compared it."""
    form = OfferedKeyForm()

    def act() -> str:
        if not form.compared.data:
            raise InvalidConfig("Compare the key first, then tick that you did.")
        with transaction() as session:
            server = servers.find(session, server_id)
            enrolment.approve_offered(session, server, request.form.get("fingerprint", ""))
            note(session, Action.HOST_KEYS_APPROVED, server, host_keys=server.host_keys)
            return _first_check(session, server)

    return sent(form, act) or page_of(server_id, PastedKeysForm(formdata=None), form)


def _first_check(session: Session, server: Server, wished: Privilege | None = None) -> str:
    """Now that we may log in, look what is there.

    wished  another level than the server was set up for
    """
    with suppress(BackupInProgress):
        ring_check(session, server)
    return url_for("servers.show", server_id=server.id, wished=wished)
