"""A server's keys: a new one of ours, and one of its own that somebody has announced."""

from uuid import UUID

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import keys, servers
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.jobs import enrolment, queue
from cloudpilot.web.access import address, me, needs, note
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.servers import ExpectedKeysForm

bp = Blueprint("keys", __name__, url_prefix="/servers/<uuid:server_id>")


@bp.post("/ssh-key")
@needs(Right.SERVERS)
def change(server_id: UUID) -> BaseResponse:
    """Give the server a new SSH key of ours."""
    with transaction() as session:
        server = servers.find(session, server_id)
        run = keys.change(session, server, me())
        run.options = run.options | {"address": address()}
        queue.ring(session, run)
        note(session, Action.KEY_CHANGE_REQUESTED, server)
    return redirect(url_for("runs.show", run_id=run.id), 303)


@bp.route("/host-key", methods=["GET", "POST"])
@needs(Right.SERVERS)
def expect(server_id: UUID) -> BaseResponse:
    """Announce the host keys that the server is going to show."""
    with reading() as session:
        server = servers.find(session, server_id)
    form = ExpectedKeysForm()

    def act() -> str:
        with transaction() as session:
            row = servers.find(session, server_id)
            enrolment.expect(session, row, form.expected.value)
            note(session, Action.HOST_KEYS_EXPECTED, row, host_keys=row.expected_host_keys)
        return url_for("servers.show", server_id=server_id)

    return sent(form, act) or page("servers/expect.html", form, server=server)


@bp.post("/host-key/cancel")
@needs(Right.SERVERS)
def call_off(server_id: UUID) -> BaseResponse:
    """The server keeps the host keys that it has."""
    with transaction() as session:
        server = servers.find(session, server_id)
        note(session, Action.HOST_KEYS_EXPECTED, server, host_keys=[])
        server.expected_host_keys = []
    return redirect(url_for("servers.show", server_id=server_id), 303)
