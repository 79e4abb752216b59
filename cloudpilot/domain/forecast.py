"""The next backups of schedules: how large they will be, and what stands in their way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import databases
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.changes import Lines
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.foresight import Doubt, Ground, Next, doubts
from cloudpilot.domain.ratios import MARGIN
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import BackupType, Compression, Method
from cloudpilot.sizes import human_bytes

KEY = "ahead:"  # how the keys of lines of a Check begin that are about the next backups
LOOKED_AT = 10  # backups of the same, the newest
CHECKS = 60  # of which it is read how much was free

Most = Callable[[bool, bool], int]  # bytes of an object at most: of equal parts?, streamed?
AtOnce = Callable[
    [int], int
]  # bytes of so many that lie on the server at once if they are streamed


def of_server(session: Session, server_id: UUID) -> list[Schedule]:
    """The schedules that a Check of that server tells about: not those of its cloud's snapshots."""
    return _active(session, Schedule.server_id == server_id)


def of_vault(session: Session, vault_id: UUID) -> list[Schedule]:
    """Those that go to that vault."""
    return _active(session, Schedule.vault_id == vault_id)


def _active(session: Session, *conditions: Any) -> list[Schedule]:
    rows = select(Schedule).where(
        Schedule.next_run_at.is_not(None), Schedule.type != BackupType.SNAPSHOT, *conditions
    )
    return list(session.scalars(rows.order_by(Schedule.created_at, Schedule.id)))


def paths_of(session: Session, server_id: UUID) -> list[str]:
    """All paths that schedules back up there, each once."""
    found = of_server(session, server_id)
    return sorted({path for one in found for path in _paths(session, one)})


def judge(
    session: Session, schedule: Schedule, ground: Ground, most: Most, at_once: AtOnce
) -> list[Doubt]:
    """What stands in the way of its next backup; that is kept in its row."""
    found = doubts(upcoming(session, schedule, most, at_once), ground)
    schedule.doubts = [asdict(doubt) for doubt in found] or None
    schedule.doubted_at = (schedule.doubted_at or clock.now()) if found else None
    return found


def line(title: str, schedule: Schedule, found: Sequence[Doubt]) -> dict[str, Any] | None:
    """A line of a Check that tells the worst of it; None if nothing stands in its way."""
    if not found:
        return None
    worst = found[0]
    said = "It will fail. " if worst.level == "failed" else ""
    return {
        "key": f"{KEY}{schedule.id}",
        "level": worst.level,
        "title": f"Next backup of {title}",
        "detail": f"{said}{worst.sentence}",
        "remedy": worst.remedy,
        "steady": False,
        "code": worst.code,
    }


def ground_of(
    session: Session,
    server_id: UUID,
    now: tuple[Lines, Mapping[str, Any]] | None = None,
) -> Ground:
    """What the last Checks of a server have found; now: lines and facts of one just done."""
    rows = select(Checkup).where(Checkup.server_id == server_id).order_by(Checkup.at.desc())
    checks: list[tuple[datetime, Lines, Mapping[str, Any]]] = [
        (one.at, one.lines, one.facts) for one in session.scalars(rows.limit(CHECKS))
    ]
    checks = [(clock.now(), *now), *checks] if now else checks
    if not checks:
        return Ground()
    _, lines, facts = checks[0]
    same = [
        (at, said.get("room")) for at, _, said in checks if said.get("root") == facts.get("root")
    ]
    return Ground(lines, facts, [(at, free) for at, free in same if isinstance(free, int)])


def upcoming(session: Session, schedule: Schedule, most: Most, at_once: AtOnce) -> Next:
    """The next backup of a schedule, as rows have it and those before it have been."""
    vault = session.get(Vault, schedule.vault_id) if schedule.vault_id else None
    is_vault_there = vault is not None and vault.removed_at is None
    size, whole, basis, inodes = _sizes(session, schedule)
    if schedule.streamed and size is not None:
        size, basis = at_once(size), "what is packed and not yet sent"
    return Next(
        paths=_paths(session, schedule),
        databases=_databases(session, schedule),
        root=session.get_one(Server, schedule.server_id).backup_root,
        method=schedule.method,
        size=size,
        basis=basis,
        whole=whole,
        inodes=inodes,
        tools=_tools(session, schedule),
        vault=str(vault.id) if vault and is_vault_there else "",
        vault_name=vault.name if vault else "",
        vault_lines=(vault.lines or ()) if vault else (),
        is_vault_gone=vault is not None and not is_vault_there,
        most=most(vault.equal_parts, schedule.streamed) if vault else None,
    )


def _paths(session: Session, schedule: Schedule) -> list[str]:
    if not schedule.type.has_files:
        return []
    return session.get_one(Site, schedule.site_id).paths if schedule.site_id else schedule.paths


def _databases(session: Session, schedule: Schedule) -> list[str]:
    if not (schedule.site_id and schedule.type.has_databases):
        return []
    return [str(one.id) for one in databases.of_site(session, schedule.site_id)]


def _tools(session: Session, schedule: Schedule) -> list[str]:
    site = session.get(Site, schedule.site_id) if schedule.site_id else None
    packing = (site or schedule).compression
    is_tree = schedule.method is Method.TREE
    wanted = {
        "rsync": is_tree,
        "zstd": packing is Compression.ZSTD and (not is_tree or schedule.vault_id),
        "curl": schedule.vault_id,
    }
    return [tool for tool, is_wanted in wanted.items() if is_wanted]


def _sizes(session: Session, schedule: Schedule) -> tuple[int | None, int | None, str, int]:
    """What it takes on the server, its archive, where that is from, and inodes."""
    rows = select(Backup).where(
        Backup.server_id == schedule.server_id,
        Backup.type == schedule.type,
        Backup.method == schedule.method,
        Backup.status == Status.COMPLETED,
        Backup.adopted_at.is_(None),
        Backup.size.is_not(None),
    )
    if schedule.site_id:
        rows = rows.where(Backup.site_id == schedule.site_id)
    else:
        own = select(cast(Schedule.paths, String)).where(Schedule.id == schedule.id)
        rows = rows.where(
            Backup.site_id.is_(None), cast(Backup.paths, String) == own.scalar_subquery()
        )
    known = session.scalars(
        rows.order_by(Backup.created_at.desc(), Backup.id).limit(LOOKED_AT)
    ).all()
    if not known:
        return None, None, "", 0
    if schedule.method is Method.TREE:
        return _of_tree(known)
    taken, basis = _of_archive(schedule, known)
    return _more(taken), _more(taken), basis, 0


def _of_tree(known: Sequence[Backup]) -> tuple[int | None, int | None, str, int]:
    last = known[0]
    inodes = int(last.counts.get("directories", 0))
    if not _is_there(last):
        basis = "all of it, since the tree before is not there any more"
        return _more(last.size), _more(last.size), basis, int(last.counts.get("entries", 0))
    if last.base_id is None or last.own_size is None:
        return None, _more(last.size), "", inodes  # nothing tells how much changes
    basis = f"the last tree took {human_bytes(last.own_size)} of its own"
    return _more(last.own_size), _more(last.size), basis, inodes


def _of_archive(schedule: Schedule, known: Sequence[Backup]) -> tuple[int | None, str]:
    full = next((one for one in known if one.level == 0), None)
    newest = next((one for one in known if one.schedule_id == schedule.id), None)
    continues = (
        schedule.incremental
        and newest is not None
        and newest.level + 1 < schedule.full_every
        and newest.state_sha256 is not None
        and _is_there(newest)
    )
    if continues:
        last = next((one for one in known if one.level > 0), None)
        size = last.size if last else None
        return size, f"the last increment took {human_bytes(size or 0)}"
    size = full.size if full else None
    if schedule.incremental and newest is not None and not _is_there(newest):
        return size, "a full one, since what it would continue is missing"
    return (
        size,
        f"the last {'full ' if schedule.incremental else ''}one took {human_bytes(size or 0)}",
    )


def _is_there(backup: Backup) -> bool:
    return any(copy.status is CopyStatus.STORED for copy in backup.copies)


def _more(size: int | None) -> int | None:
    return None if size is None else size * MARGIN // 100
