"""Looking a day ahead: what the next backups of a server will fail on, found out with its Check."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session as OrmSession

from cloudpilot.db import reading
from cloudpilot.domain import forecast, scheduled
from cloudpilot.domain.changes import Lines
from cloudpilot.domain.servers import Server
from cloudpilot.engine import paths
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.vaults import plans

AHEAD = 5 * 32 * plans.MIB  # what packing may be ahead beside parts, see stream.sh
PARTS_AHEAD = 3


def facts(ssh: Session, server: Server) -> Mapping[str, Any]:
    """What a Check asks for this alone: `paths`, what is at each that is backed up there."""
    with reading() as session:
        asked = forecast.paths_of(session, server.id)
    with suppress(CommandFailed):  # what a Check has found until now is worth keeping
        return {"paths": paths.look(ssh, asked, server.privilege)}
    return {}


def lines(
    session: OrmSession, server_id: UUID, found: Lines, known: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Judge the next backups of a server by the lines and facts of its Check: lines about them."""
    ground = forecast.ground_of(session, server_id, (found, known))
    judged = (
        (one, forecast.judge(session, one, ground, _most, _at_once))
        for one in forecast.of_server(session, server_id)
    )
    told = (forecast.line(scheduled.title(session, one), one, doubts) for one, doubts in judged)
    return [line for line in told if line]


def after_vault_check(session: OrmSession, vault_id: UUID) -> None:
    """Judge anew what goes to that vault, by the last Checks of its servers."""
    for one in forecast.of_vault(session, vault_id):
        ground = forecast.ground_of(session, one.server_id)
        forecast.judge(session, one, ground, _most, _at_once)


def _most(equal_parts: bool, streamed: bool) -> int:
    """Bytes that an object may have, if its size is not known before; see signing.begun."""
    return min(
        plans.MOST_BYTES, plans.plan(None, equal_parts=equal_parts, streamed=streamed).most_bytes
    )


def _at_once(size: int) -> int:
    """What a streamed archive of that size takes on the server, as most_at_once in stream.sh."""
    before, part = 0, 0
    for part, count in plans.STREAMED:
        before += part * count
        if size < before:
            break
    return min(size, max(PARTS_AHEAD * part, 64 * plans.MIB) + AHEAD)
