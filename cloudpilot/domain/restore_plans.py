"""What a person wants to be restored: what can be refused without the server, and what it has said.

The look at the server changes nothing; what it finds is kept with the restore and shown before
anything is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import backups, chains, restore_sources
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.people import Person
from cloudpilot.domain.restore_review import Need
from cloudpilot.domain.restores import Restore, RestoreStatus, add_run
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    InvalidConfig,
    InvalidPath,
    InvalidState,
    NotCompleted,
    PrivilegeMissing,
    SnapshotRestore,
    SshNotConfigured,
)
from cloudpilot.excludes import distinct, is_inside
from cloudpilot.kinds import Privilege, RunKind

SUFFIX_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants to be restored.

    vault_id  from which vault; None: from the server on which it was made
    paths     those that the backup holds, or parts of them
    into      a folder for them; "": where they were
    dumps     numbers of databases in the archive, counted from 1
    suffix    what is added to their names; "": they take the place of those that are there
    """

    backup: Backup
    server: Server
    vault_id: UUID | None
    paths: Sequence[str]
    into: str = ""
    dumps: Sequence[int] = ()
    suffix: str = ""
    exact: bool = True
    safe: bool = True
    knows: bool = False  # that it is unverified, and what that means


def plan(session: Session, asked: Asked, by: Person) -> Restore:
    """A restore of which nothing is done yet; raises what `_refuse` says."""
    paths = _refuse(session, asked)
    restore = Restore(
        id=uuid4(),
        backup_id=asked.backup.id,
        vault_id=asked.vault_id,
        server_id=asked.server.id,
        root=asked.server.backup_root,
        paths=paths,
        databases=_databases_of(asked),
        into=asked.into,
        exact=asked.exact and not asked.backup.counts.get("unreadable"),
        safe=asked.safe,
        subject=asked.backup.subject,
        requested_by=by.id,
    )
    session.add(restore)
    session.flush()
    return restore


def refuse_snapshot(backup: Backup) -> None:
    """Raises SnapshotRestore for what only its cloud could put anywhere."""
    if backup.is_snapshot:
        raise SnapshotRestore("A snapshot is not put in the place of a running server.")


def _refuse(session: Session, asked: Asked) -> list[str]:
    """What can be known without the server; returns the paths.

    Raises NotCompleted, InvalidState, InvalidConfig, SshNotConfigured, InvalidPath,
    PrivilegeMissing.
    """
    backup, server = asked.backup, asked.server
    refuse_snapshot(backup)
    if backup.status is not Status.COMPLETED or backup.deleted_at or backup.delete_requested_at:
        raise NotCompleted("Only a completed backup can be restored.")
    if asked.vault_id not in restore_sources.places(session, backup):
        raise InvalidState("Not all of this backup is there to be read from that place.")
    if asked.vault_id is None and server.id != backup.server_id:
        raise InvalidState(
            f"{server.name} cannot read what lies on {backup.server_name}:"
            " bring the backup to a vault first, then restore it from there."
        )
    if server.removed_at or not server.is_ready:
        raise SshNotConfigured(f"{server.name} has not been set up: its host key is unknown.")
    if not asked.paths and not asked.dumps:
        raise InvalidPath("There is nothing chosen that could be restored.")
    _refuse_unverified(session, asked)
    if asked.paths:
        _refuse_without_rights(server, asked.into)
    return _paths_of(backup, asked.paths)


def why_no_dumps(session: Session, backup: Backup) -> str:
    """Why its databases are not restored from here; "" if they are."""
    if restore_sources.is_unverified(session, backup):
        return (
            "Databases of an unverified backup are not restored from here: a dump is a program that"
            " somebody else may have written. Download the archive and look at it first."
        )
    logins = (session.get(Database, UUID(one["id"])) for one in backup.databases)
    if backup.adopted_at and not all(logins):
        return (
            "Databases of a backup that was found in a vault are not restored from here: this panel"
            " has no login for them. Its archive says in RESTORE.txt how it is done by hand."
        )
    return ""


def _refuse_unverified(session: Session, asked: Asked) -> None:
    """What anybody may have made is restored by who knows that."""
    if asked.dumps and (why := why_no_dumps(session, asked.backup)):
        raise InvalidConfig(why)
    if restore_sources.is_unverified(session, asked.backup) and not asked.knows:
        raise InvalidConfig("The backup is unverified: tick that you know what can be in it.")


def _refuse_without_rights(server: Server, into: str) -> None:
    """Who cannot give files to their owners puts none in the place of those that are there."""
    if not into and server.privilege is not Privilege.FULL and server.username != "root":
        raise PrivilegeMissing(
            f"On {server.name} CloudPilot may not put files back where they were: restore into a"
            " folder, or set the server up with “anything” first."
        )


def _paths_of(backup: Backup, wanted: Sequence[str]) -> list[str]:
    paths = list(distinct(wanted)) if wanted else []
    for path in paths:
        if not any(is_inside(path, top) for top in backup.paths):
            raise InvalidPath(f"{path} is not in this backup.")
    return paths


def _databases_of(asked: Asked) -> list[dict[str, Any]]:
    """Those that were chosen, and by which of the site's logins each is reached."""
    found, census, plans = [], asked.backup.census, asked.backup.databases
    for number in sorted(set(asked.dumps)):
        counted = census[number - 1] if 0 < number <= len(census) else {}
        one = next((plan for plan in plans if _is_of(plan, counted)), None)
        if one is None:
            raise InvalidPath(f"There is no database {number} in this backup.")
        name = str(counted["name"])
        new = {"number": number, "backed_up": name, "name": f"{name}{asked.suffix}"}
        found.append(new | {"database": one["id"]})
    return found


def _is_of(plan: Mapping[str, Any], counted: Mapping[str, Any]) -> bool:
    return (plan["engine"], plan["where"]) == (counted.get("engine"), counted.get("where"))


def need(session: Session, restore: Restore) -> Need:
    """What it asks of the disks."""
    read = chains.needed(session, backups.find(session, restore.backup_id))
    fetched = sum(one.size or 0 for one in read) if restore.vault_id else 0
    last = max((one.size or 0 for one in read), default=0)
    saves = restore.safe and not restore.into
    backup = read[-1]
    return Need(
        fetched,
        restore_sources.needed(session, backup),
        last if saves else 0,
        files=restore_sources.names(session, backup) if restore.paths else 0,
        is_part=restore_sources.is_part(backup, restore.paths),
    )


def saved(session: Session, restore: Restore) -> set[int] | None:
    """The numbers of its databases that the safe-mode backup will hold; None: there is none."""
    if not restore.safe:
        return None
    return {one["number"] for one in restore.databases if _is_saved(session, one)}


def _is_saved(session: Session, one: Mapping[str, Any]) -> bool:
    login = session.get(Database, UUID(one["database"]))
    return login is not None and login.is_dumped(one["name"])


def valid_suffix(text: str) -> str:
    """What is added to the names of databases: letters, digits and _; raises InvalidConfig."""
    suffix = text.strip()
    if not (suffix == "" or (suffix.isascii() and suffix.replace("_", "").isalnum())):
        raise InvalidConfig("Use letters, digits and _ only.")
    if len(suffix) > SUFFIX_LENGTH:
        raise InvalidConfig(f"Use at most {SUFFIX_LENGTH} characters.")
    return suffix


def look(session: Session, restore: Restore, by: Person | None) -> Run:
    """The run that looks at the server before anything is done."""
    return add_run(session, restore, RunKind.SURVEY, by.id if by else None)


def surveyed(session: Session, restore: Restore, found: Mapping[str, Any]) -> None:
    """Keep what a look has found; what has begun goes on, and back, by what was found before."""
    if restore.status is not RestoreStatus.PLANNED:
        return
    restore.survey, restore.surveyed_at = dict(found), clock.now()
    session.flush()


def confirmed_by(session: Session, restore: Restore) -> str:
    """The name that has to be typed."""
    backup = backups.find(session, restore.backup_id)
    return backup.site_name or backup.server_name
