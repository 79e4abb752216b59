"""Restores, asked for as the pages do and driven as worker and clock would."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import restore_plans, restore_steps, restores
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Person
from cloudpilot.domain.restore_plans import Asked
from cloudpilot.domain.restores import Restore
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from tests.support.rows import add_person
from tests.support.uploading import drive


def planned(backup_id: UUID, **what: object) -> UUID:
    """Asked for and looked at."""
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        asked: dict[str, object] = {
            "server": session.get_one(Server, backup.server_id),
            "vault_id": None,
            "paths": backup.paths,
        } | what
        if "paths" not in what and not backup.paths:
            asked["paths"] = []
        person = session.scalars(select(Person)).first() or add_person(session)
        restore = restore_plans.plan(session, Asked(backup=backup, **asked), person)  # type: ignore[arg-type]
        restore_plans.look(session, restore, person)
        restore_id = restore.id
    drive()
    return restore_id


def begin(restore_id: UUID) -> None:
    """Started, with the name typed."""
    with transaction() as session:
        restore = restores.find(session, restore_id)
        person = session.scalars(select(Person)).first()
        assert person
        name = restore_plans.confirmed_by(session, restore)
        restore_steps.start(session, restore, name, person)


def restored(backup_id: UUID, **what: object) -> Restore:
    """To its end, whatever that is."""
    restore_id = planned(backup_id, **what)
    begin(restore_id)
    drive()
    return there(restore_id)


def there(restore_id: UUID) -> Restore:
    """As it stands."""
    with reading() as session:
        return session.get_one(Restore, restore_id, populate_existing=True)


def undone(restore_id: UUID) -> Restore:
    """By somebody's wish."""
    with transaction() as session:
        person = session.scalars(select(Person)).first()
        assert person
        restore_steps.undo(session, restores.find(session, restore_id), person)
    drive()
    return there(restore_id)


def runs_of(restore_id: UUID) -> Sequence[Run]:
    """Its runs, in the order in which they were added."""
    with reading() as session:
        rows = select(Run).where(Run.restore_id == restore_id)
        return list(session.scalars(rows.order_by(Run.created_at, Run.id)))
