"""What the form of a schedule does when it is sent."""

from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from cloudpilot.db import transaction
from cloudpilot.domain import (
    audit,
    destinations,
    scheduled,
    schedules,
    servers,
    sites,
    trees,
    vaults,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.servers import Server
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import BackupType
from cloudpilot.web.access import me, note
from cloudpilot.web.forms.schedules import ScheduleForm, SchedulePathsForm


def add(
    form: ScheduleForm, server_id: UUID, site_id: UUID | None, types: tuple[BackupType, ...]
) -> str:
    """A new schedule; the address of its page."""
    with transaction() as session:
        server = servers.find(session, server_id)
        site = sites.find(session, site_id) if site_id else None
        columns = _columns(session, form, types, server) | {
            "server_id": server.id,
            "site_id": site.id if site else None,
        }
        schedule = schedules.add(session, columns, me())
        note(
            session,
            Action.SCHEDULE_ADDED,
            schedule,
            name=scheduled.title(session, schedule),
            cron=schedule.cron,
            zone=schedule.zone,
        )
    return url_for("schedules.show", schedule_id=schedule.id)


def change(form: ScheduleForm, schedule_id: UUID, types: tuple[BackupType, ...]) -> str:
    """What it is to be from now on; the address of its page."""
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        server = servers.find(session, schedule.server_id)
        columns = _columns(session, form, types, server)
        to = form.destination(vaults.listed(session))
        told = {name: value for name, value in columns.items() if name not in to.columns()}
        changed = audit.changes(schedule, told)
        changed |= destinations.of(session, schedule).changes(to)
        schedules.change(session, schedule, columns)
        name = scheduled.title(session, schedule)
        note(session, Action.SCHEDULE_CHANGED, schedule, name=name, changes=changed)
    return url_for("schedules.show", schedule_id=schedule_id)


def _columns(
    session: Session, form: ScheduleForm, types: tuple[BackupType, ...], server: Server
) -> dict[str, Any]:
    if not types:
        raise InvalidConfig("There is nothing to back up yet: add paths or a database.")
    contents = form.contents() if isinstance(form, SchedulePathsForm) else {}
    to, plan = form.destination(vaults.listed(session)), form.plan(types)
    if plan["type"] is BackupType.SNAPSHOT and server.cloud_id is None:
        raise InvalidConfig(f"Choose first which machine of which cloud {server.name} is.")
    trees.refuse(plan["method"], plan["type"], server.privilege, to)
    return plan | contents | to.columns()
