"""Rows as they stand at some moment: what the pages are looked at with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import audit, databases, schedules, searches
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.databases import Database
from cloudpilot.domain.panel_exports import PanelExport
from cloudpilot.domain.people import Person
from cloudpilot.domain.recovery import PanelKey
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.searches import Fate, Progress
from cloudpilot.domain.servers import NAME_LENGTH, Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.slots import DOWN, Slot, SlotStatus
from cloudpilot.domain.status import Status, StatusEvent
from cloudpilot.domain.vaults import Vault
from cloudpilot.engine.pasted import THINGS
from cloudpilot.kinds import (
    BackupType,
    CloudKind,
    Compression,
    Engine,
    Place,
    Privilege,
    Role,
    RunKind,
    VaultKind,
)
from tests.support.adopting import a_folder
from tests.support.adopting import adopted as found_in
from tests.support.clouding import add_cloud, linked
from tests.support.rows import add_database, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.vaulting import add_vault

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FINGERPRINT = "SHA256:n3Gq0cFJ6h0oQ0n6p0jv5oX2e9hBq0m1k7w5u9y3r2A"
OTHER_FINGERPRINT = "SHA256:u8Xw2mPq9dKf4sLr7tYb1nVc6hJz3gQe5aWo0iUx8kE"
TRAP = "/tmp is emptied at every reboot on this server: backups would not survive it."
LOG = "\n".join(
    f"07:12:03 UTC  {line}"
    for line in (
        "Measuring 1 path(s).",
        "3.1 GB to pack; 71.3 GB free.",
        "Packing with igzip, hashing with openssl.",
    )
)
LINES = [
    ("ok", "Reachable", "Signed in as cloudpilot in 0.2 s.", ""),
    ("ok", "bash", "5.2.15", ""),
    ("ok", "tar", "GNU tar 1.34", ""),
    ("ok", "Compressors", "gzip, pigz, zstd", ""),
    ("warning", "Free space", "4.1 GB free of 40 GB on ext4.", "Free some: `du -xh / | sort -h`."),
    ("ok", "openssl", "3.0.15", ""),
]


@dataclass
class Scene:
    """The ids of the rows that a test asks for by name."""

    ids: dict[str, UUID] = field(default_factory=dict)


def add_backup(
    session: Session, server: Server, site: Site | None, status: Status, **columns: Any
) -> Backup:
    """A backup in that state, with its copy; `age` is how long ago it was asked for."""
    created_at = clock.now() - columns.pop("age", timedelta(hours=3))
    done = status is Status.COMPLETED
    values: dict[str, Any] = {
        "id": uuid4(),
        "type": BackupType.FILES,
        "status": status,
        "server_id": server.id,
        "site_id": site.id if site else None,
        "server_name": server.name,
        "site_name": site.name if site else "",
        "paths": list(site.paths) if site else ["/etc", "/home"],
        "excludes": list(site.excludes) if site else [],
        "compression": Compression.GZIP,
        "requested_by": session.scalar(select(Person.id).where(Person.role == Role.OWNER)),
        "created_at": created_at,
        "expires_at": created_at + timedelta(days=30),
        "started_at": created_at + timedelta(seconds=2),
        "finished_at": created_at + timedelta(minutes=4) if status.is_final else None,
        "archive": f"files-{created_at:%Y%m%d-%H%M%S}Z.tar.gz",
        "size": 1_834_211_904 - 9_000_000 * (clock.now() - created_at).days if done else None,
        "tar_size": 3_120_562_176 if done else None,
        "sha256": SHA256 if done else None,
        "counts": {"files": 48_211, "directories": 3_120} if done else {},
        "tools": {"compressor": "pigz 2.6"} if done else {},
    }
    backup = Backup(**(values | columns))
    stored = {"size": backup.size, "sha256": backup.sha256}
    copy = CopyStatus.STORED if done else CopyStatus.GONE if status.is_final else CopyStatus.MAKING
    place = {"place": Place.SERVER, "server_id": server.id, "root": server.backup_root}
    backup.copies.append(Copy(status=copy, name=backup.archive, **place, **stored))
    session.add(backup)
    session.flush()
    return backup


def add_run(session: Session, server: Server, kind: RunKind, status: Status, **columns: Any) -> Run:
    """A run in that state."""
    created_at = columns.pop("created_at", clock.now() - timedelta(minutes=2))
    begun = status is not Status.PENDING
    values: dict[str, Any] = {
        "id": uuid4(),
        "kind": kind,
        "status": status,
        "server_id": server.id,
        "subject": server.name,
        "created_at": created_at,
        "started_at": created_at + timedelta(seconds=2) if begun else None,
        "seen_at": clock.now() - timedelta(seconds=1) if begun else None,
        "finished_at": created_at + timedelta(minutes=4) if status.is_final else None,
    }
    run = Run(**(values | columns))
    session.add(run)
    session.flush()
    return run


def add_made(
    session: Session, server: Server, site: Site | None, status: Status, **columns: Any
) -> tuple[Backup, Run]:
    """A backup and the run that makes or made it; `run` holds columns of the run."""
    also = columns.pop("run", {})
    backup = add_backup(session, server, site, status, **columns)
    values = {"subject": backup.subject, "created_at": backup.created_at, "backup_id": backup.id}
    values |= {"error_code": backup.error_code, "error_detail": backup.error_detail}
    return backup, add_run(session, server, RunKind.MAKE, status, **(values | also))


WORSE = {
    "key": "Free space",
    "title": "Free space",
    "before": "ok",
    "after": "warning",
    "detail": "4.1 GB free of 40 GB on ext4.",
    "remedy": "Free some: `du -xh / | sort -h`.",
}


def add_checkup(session: Session, server: Server, **facts: Any) -> Checkup:
    """What a Check found; `changes` is what is not as it was at the one before."""
    changes = facts.pop("changes", [])
    names = ("level", "title", "detail", "remedy")
    lines = [dict(zip(names, line, strict=True)) | {"key": line[1]} for line in LINES]
    server.checked_at = clock.now()
    found = {"trap": None, "alternative": None, "free": 4_100_000_000} | facts
    checkup = Checkup(server_id=server.id, lines=lines, facts=found, changes=changes)
    session.add(checkup)
    session.flush()
    return checkup


RUNNING: dict[str, Any] = {
    "stage": "archive",
    "done": 1_203_111_936,
    "total": 3_120_562_176,
    "rate": 61_400_000,
    "log": LOG,
}
WAITING: dict[str, Any] = {
    "attempts": 3,
    "error_code": "SSH_UNREACHABLE",
    "error_detail": "web-1.example.com did not answer on port 22 within 5 seconds.",
}
DISK_FULL: dict[str, Any] = {
    "error_code": "DISK_FULL",
    "error_detail": "Only 2.1 GB are free below /var/backups/cloudpilot, and 3.1 GB are needed.",
}
UNREADABLE: dict[str, Any] = {
    "error_code": "PERMISSION_DENIED",
    "error_detail": "/srv/blog/private cannot be opened by cloudpilot.",
}


MUCH_UNREAD: dict[str, Any] = {
    "counts": {"files": 900, "directories": 100, "unreadable": 412},
    "warnings": [f"/srv/private/{n} could not be read: permission denied." for n in range(200)],
    "warning_count": 412,
}


def nothing(session: Session) -> Scene:
    """A panel that has just been set up."""
    return Scene()


def new_server(session: Session) -> Scene:
    """A server that nobody has prepared yet."""
    server = add_server(session, "web-1", host="web-1.example.com", host_keys=[])
    return Scene({"server": server.id})


def offered_key(session: Session) -> Scene:
    """The server was asked for its key, to compare it."""
    scene = new_server(session)
    server = session.get_one(Server, scene.ids["server"])
    server.offered_host_key = FINGERPRINT
    error = {"error_code": "HOST_KEY_UNKNOWN", "error_detail": "Nobody has approved a key yet."}
    run = add_run(session, server, RunKind.CHECK, Status.FAILED, **error)
    scene.ids["run"] = run.id
    return scene


def changed_key(session: Session) -> Scene:
    """A server that shows another key than the one that was approved."""
    scene = little(session)
    server = session.get_one(Server, scene.ids["server"])
    server.offered_host_key = OTHER_FINGERPRINT
    detail = f"web-1 showed {OTHER_FINGERPRINT}; approved was {FINGERPRINT}."
    error = {"error_code": "HOST_KEY_CHANGED", "error_detail": detail}
    scene.ids["run"] = add_run(session, server, RunKind.CHECK, Status.FAILED, **error).id
    return scene


def checking(session: Session) -> Scene:
    """A server whose first Check is under way."""
    server = add_server(session, "web-1", host="web-1.example.com", host_keys=[FINGERPRINT])
    run = add_run(session, server, RunKind.CHECK, Status.RUNNING, stage="check")
    return Scene({"server": server.id, "run": run.id})


def trapped(session: Session) -> Scene:
    """A backup directory that is emptied at every reboot."""
    scene = little(session, backup_root="/tmp/cloudpilot-backups")
    server = session.get_one(Server, scene.ids["server"])
    add_checkup(session, server, trap=TRAP, alternative="/var/backups/cloudpilot")
    return scene


def missing(session: Session) -> Scene:
    """A disk with backups that is not mounted any more."""
    scene = little(session, backup_root="/mnt/disk/cloudpilot")
    server = session.get_one(Server, scene.ids["server"])
    site = session.get_one(Site, scene.ids["site"])
    why = "Nothing is left in /mnt/disk/cloudpilot: is its disk mounted?"
    add_backup(session, server, site, Status.COMPLETED, age=timedelta(days=1, hours=3))
    for backup in session.scalars(select(Backup)).all():
        [copy] = backup.copies
        copy.status, copy.missing_why = CopyStatus.MISSING, why
        copy.missing_at = clock.now() - timedelta(hours=1)
        copy.seen_at = clock.now() - timedelta(hours=25)
    session.flush()
    return scene


def little(session: Session, **columns: Any) -> Scene:
    """One server, one site, one good backup."""
    values = {"host": "web-1.example.com", "host_keys": [FINGERPRINT]} | columns
    server = add_server(session, "web-1", **values)
    site = add_site(session, server, "shop", paths=["/srv/shop"], excludes=["*.log", "/cache"])
    add_checkup(session, server)
    backup, run = add_made(session, server, site, Status.COMPLETED, run={"log": LOG})
    return Scene({"server": server.id, "site": site.id, "backup": backup.id, "run": run.id})


def announced(session: Session) -> Scene:
    """A server that will get a new host key, and whose SSH key is being changed."""
    scene = little(session, expected_host_keys=[OTHER_FINGERPRINT], privilege=Privilege.FULL)
    server = session.get_one(Server, scene.ids["server"])
    audit.record(session, audit.PANEL, audit.Action.HOST_KEYS_FOLLOWED, server)
    add_run(session, server, RunKind.ROTATE, Status.RUNNING)
    return scene


def not_proven(session: Session) -> Scene:
    """A server that is to be removed, and still lets the panel in."""
    scene = little(session, privilege=Privilege.READ_ALL)
    server = session.get_one(Server, scene.ids["server"])
    error = {"error_code": "KEY_STILL_ACCEPTED", "error_detail": "web-1 still lets the panel in."}
    scene.ids["run"] = add_run(session, server, RunKind.UNINSTALL, Status.FAILED, **error).id
    add_run(session, server, RunKind.ROTATE, Status.FAILED, error_code="SSH_UNREACHABLE")
    return scene


def taken_off(said: dict[str, bool]) -> Callable[[Session], Scene]:
    """A server that the panel was removed from, with what was said to be gone."""

    def build(session: Session) -> Scene:
        server = add_server(session, "web-1", host="web-1.example.com", removed_at=clock.now())
        options = {"keep": True, "said": said}
        log = "web-1 refuses the panel's key, by its approved host key: proven."
        columns = {"options": options, "log": log}
        run = add_run(session, server, RunKind.UNINSTALL, Status.COMPLETED, **columns)
        return Scene({"run": run.id})

    return build


def with_backup(status: Status, **columns: Any) -> Callable[[Session], Scene]:
    """`little`, and one more backup in that state."""

    def build(session: Session) -> Scene:
        scene = little(session)
        server = session.get_one(Server, scene.ids["server"])
        site = session.get_one(Site, scene.ids["site"])
        age = {"age": timedelta(minutes=2)}
        backup, run = add_made(session, server, site, status, **(age | columns))
        scene.ids |= {"backup": backup.id, "run": run.id}
        return scene

    return build


def with_deletion(status: Status, **columns: Any) -> Callable[[Session], Scene]:
    """`little`, whose backup is to be deleted."""

    def build(session: Session) -> Scene:
        scene = little(session)
        backup = session.get_one(Backup, scene.ids["backup"])
        backup.copies[0].status = CopyStatus.DELETING
        values = {"backup_id": backup.id, "requested_by": backup.requested_by}
        values |= {"subject": backup.subject} | columns
        server = session.get_one(Server, scene.ids["server"])
        scene.ids["run"] = add_run(session, server, RunKind.DELETE, status, **values).id
        return scene

    return build


def _add_neglected(session: Session, server: Server) -> None:
    """Sites that somebody should look at, one of each kind."""
    add_site(session, server, "archive", paths=["/srv/archive"])
    failed, old, unread = (add_site(session, server, n) for n in ("crm", "wiki", "private"))
    for day in (2, 3, 9, 40):
        for site in (failed, old):
            add_made(session, server, site, Status.COMPLETED, age=timedelta(days=day))
    add_made(session, server, failed, Status.FAILED, age=timedelta(hours=2), **DISK_FULL)
    add_made(session, server, unread, Status.COMPLETED, age=timedelta(hours=7), **MUCH_UNREAD)


def much(session: Session) -> Scene:
    """What a small team has after some weeks: failures, warnings, work under way."""
    scene = with_backup(Status.RUNNING, run=RUNNING)(session)
    failures = {"mail": DISK_FULL, "web-2": UNREADABLE}
    for number, name in enumerate(("db-1", "mail", "staging", "web-2")):
        server = add_server(session, name, host=f"{name}.example.com", host_keys=[FINGERPRINT])
        changes = [WORSE] if name == "mail" else []
        add_checkup(session, server, free=(number + 1) * 9_400_000_000, changes=changes)
        for site_name in ("blog", "intranet")[: 1 + number % 2]:
            site = add_site(session, server, f"{site_name}-{name}", paths=[f"/srv/{site_name}"])
            for day in range(1, 12):
                add_made(session, server, site, Status.COMPLETED, age=timedelta(days=day))
        warnings = ["tar: /srv/blog/cache/x: file changed as we read it"] * 3
        done = {"warnings": warnings, "warning_count": 3, "age": timedelta(hours=number + 1)}
        add_made(session, server, site, Status.COMPLETED, **done)
        if name in failures:
            age = timedelta(hours=5 + 20 * number)
            add_made(session, server, None, Status.FAILED, age=age, **failures[name])
    _add_neglected(session, server)
    add_databases(session, scene)
    add_vaults(session, scene)
    add_clouds(session, scene)
    add_exports(session)
    add_schedules(session, scene)
    waiting = {"backup_id": None, "subject": "web-2"} | WAITING
    add_run(session, server, RunKind.CHECK, Status.PENDING, **waiting)
    return scene


def add_exports(session: Session) -> None:
    """A recovery key, and exports in all vaults: the newest of one has failed."""
    owner = session.scalar(select(Person.id).where(Person.role == Role.OWNER))
    whom = {"recipient": f"age1{'q' * 58}"}
    at = clock.now() - timedelta(hours=50)
    session.add(PanelKey(manifest_key="sealed", confirmed_at=at, created_by=owner, **whom))
    for number, vault in enumerate(session.scalars(select(Vault).order_by(Vault.name)).all()):
        key = f"cloudpilot-panel/cloudpilot-20261129-08000{number}Z-0a1b2c3d.age"
        about = {"vault_id": vault.id, "key": key, **whom}
        stored = {"created_at": at, "stored_at": at, "size": 31_700_000}
        session.add(PanelExport(**about, **stored))
        failed = {"error_code": "VAULT_DENIED", "error_detail": "The store answered 403."}
        newest = failed if number else {"stored_at": clock.now(), "size": 31_900_000}
        session.add(PanelExport(**about, **newest))
    session.flush()


def add_schedules(session: Session, scene: Scene) -> None:
    """Of the scene's site: one that is late, one that is on time, one that is paused."""
    site, now = session.get_one(Site, scene.ids["site"]), clock.now()
    server = session.get_one(Server, scene.ids["server"])
    late = add_schedule(session, server, site, "30 2 * * *", zone="Europe/Vienna", keep_monthly=12)
    late.late_at = late.late_since = now - timedelta(hours=4)
    late.good_at, late.note = now - timedelta(days=3), "before the nightly import"
    paused = add_schedule(session, server, None, "0 4 1 * *")
    schedules.pause(session, paused)
    good = add_schedule(session, server, site, "0 */6 * * *", spread_minutes=30)
    good.good_at = now - timedelta(hours=3)
    backup = session.scalars(select(Backup).where(Backup.site_id == site.id)).first()
    states: tuple[dict[str, Any], ...] = (
        {"status": SlotStatus.COMPLETED, "attempts": 2},
        {"status": SlotStatus.SKIPPED, "why": f"Another backup of {site.name} has not ended."},
        {"status": SlotStatus.MISSED, "count": 7, "until": now, "why": DOWN},
        {"status": SlotStatus.WAITING, "why": f"Another backup of {site.name} has not ended."},
        {"status": SlotStatus.FAILED, "error_code": "NOT_FOUND", "why": "Its vault was removed."},
    )
    for number, columns in enumerate(states):
        due_at = now - timedelta(hours=6 * number, minutes=20)
        slot = Slot(schedule_id=late.id, due_at=due_at, try_at=due_at, **columns)
        session.add(slot)
        session.flush()
        if number == 0 and backup:
            backup.slot_id, backup.schedule_id = slot.id, late.id
    session.add(Slot(schedule_id=good.id, due_at=now, try_at=now, status=SlotStatus.COMPLETED))
    session.add(StatusEvent(subject="schedules", subject_id=late.id, old="on time", new="late"))
    scene.ids["schedule"] = late.id


def add_vaults(session: Session, scene: Scene) -> None:
    """A vault that does not work, and one that the scene's backup is on its way to; others are
    there, failed, or lost."""
    broken = add_vault(session, "second vault", kind=VaultKind.GCS, region="", key_id="")
    vault = add_vault(session, "offsite", prefix="panel")
    for row, level in ((vault, "ok"), (broken, "failed")):
        row.lines = [line | {"level": level} for line in VAULT_LINES]
        row.checked_at = clock.now() - timedelta(hours=2)
    backup = session.get_one(Backup, scene.ids["backup"])
    session.get_one(Site, backup.site_id).vault_id = vault.id
    copy = _in_vault(backup, vault, CopyStatus.MAKING)
    denied = {"error_code": "VAULT_DENIED", "error_detail": "The store answered 403."}
    _in_vault(backup, broken, CopyStatus.FAILED, **denied)
    session.flush()
    values = {"backup_id": backup.id, "subject": backup.subject, "vault_id": vault.id}
    options = {"copy": str(copy.id), "attempt": str(uuid4())}
    server = session.get_one(Server, scene.ids["server"])
    sending = {"stage": "upload", "done": 120_000_000, "total": None, "rate": 40_000_000}
    add_run(session, server, RunKind.UPLOAD, Status.RUNNING, options=options, **values, **sending)
    scene.ids |= {"vault": vault.id, "copy": copy.id}


def add_clouds(session: Session, scene: Scene) -> None:
    """A cloud that works and that the scene's server is a machine of, with a snapshot and one that
    is being made; others that are warned of, failed, or new."""
    server = session.get_one(Server, scene.ids["server"])
    cloud = linked(session, server, name="production")
    warned = add_cloud(session, "europe", kind=CloudKind.GCP, region="", project="shop-123456")
    broken = add_cloud(session, "team", kind=CloudKind.DIGITALOCEAN, region="", key_id="")
    azure = {"project": str(uuid4()), "tenant": "example.onmicrosoft.com", "key_id": str(uuid4())}
    add_cloud(session, "new one", kind=CloudKind.AZURE, region="", instances=None, **azure)
    for row, level in ((cloud, "ok"), (warned, "warning"), (broken, "failed")):
        row.lines = [MACHINES_SEEN, *RIGHTS[level]]
        row.checked_at = clock.now() - timedelta(hours=2)
    warned.instances, broken.instances = MACHINES_OF_GOOGLE, []
    warned.key_id = "cloudpilot@shop-123456.iam.gserviceaccount.com"
    values = {"server_id": None, "subject": broken.name, "cloud_id": broken.id}
    add_run(session, server, RunKind.CHECK_CLOUD, Status.COMPLETED, **values)
    scene.ids |= {"cloud": cloud.id, "snapshot": _add_snapshots(session, server, cloud)}


def _add_snapshots(session: Session, server: Server, cloud: Cloud) -> UUID:
    """One that is kept, and the run of one that is being made."""
    what: dict[str, Any] = {"type": BackupType.SNAPSHOT, "paths": [], "sha256": None}
    for status, run in ((Status.COMPLETED, {}), (Status.RUNNING, SNAPPING)):
        age = timedelta(minutes=20) if run else timedelta(hours=9)
        backup = add_backup(session, server, None, status, age=age, archive="", **what)
        [copy] = backup.copies
        copy.place, copy.server_id, copy.root, copy.cloud_id = Place.CLOUD, None, None, cloud.id
        values = {"subject": backup.subject, "backup_id": backup.id, "cloud_id": cloud.id, **run}
        made = add_run(session, server, RunKind.SNAPSHOT, status, **values)
    session.flush()
    return made.id


def offsite(session: Session) -> Scene:
    """A good backup whose copies in vaults are there, lost, and about to go."""
    scene = little(session)
    backup = session.get_one(Backup, scene.ids["backup"])
    states = (CopyStatus.STORED, CopyStatus.MISSING, CopyStatus.DELETING)
    for name, status in zip(("offsite", "old vault", "third vault"), states, strict=True):
        copy = _in_vault(backup, add_vault(session, name), status)
        copy.missing_why, copy.missing_at = "It is not in the vault any more.", clock.now()
    session.flush()
    return scene


def adopted(session: Session) -> Scene:
    """A fresh panel has found backups in its vault: some are signed, some are anybody's."""
    vault = add_vault(session, "offsite")
    by = session.scalars(select(Person)).first()
    run = searches.ask(session, vault, by)  # type: ignore[arg-type]
    reached, server, ids = Progress(), uuid4(), dict[str, UUID]()
    names = ("web-1", "a\u202egpj.exe <script>alert(1)</script> with a rather long name of its own")
    for number, name in enumerate((*names, names[0])):
        folder = a_folder(server=server if number != 1 else uuid4())
        plan = {"server": {"id": str(folder.server), "name": name}}
        backup = found_in(session, vault.id, folder, plan=plan)
        backup.signed_at = clock.now() if number == 2 else None
        ids["backup" if number == 2 else "other"] = backup.id
        reached = reached.after(folder, Fate.SIGNED if number == 2 else Fate.UNVERIFIED)
    for why in ("It has no manifest: its upload may not have ended.", "It is no JSON."):
        reached = reached.after(a_folder(), Fate.REFUSED, why)
    searches.note(run, reached)
    run.move(session, Status.RUNNING, started_at=clock.now())
    run.move(session, Status.COMPLETED, finished_at=clock.now())
    session.flush()
    return Scene({"vault": vault.id, "run": run.id, **ids})


def _in_vault(backup: Backup, vault: Vault, status: CopyStatus, **columns: Any) -> Copy:
    values = {"verified_by": "md5-parts", "verified_at": clock.now(), "size": backup.size}
    place = {"place": Place.VAULT, "vault_id": vault.id, "name": backup.archive, "status": status}
    copy = Copy(id=uuid4(), **(place | values | columns))
    backup.copies.append(copy)
    return copy


def seasoned(session: Session) -> Scene:
    """A site that has been backed up every night for months, mostly well."""
    scene = little(session)
    server = session.get_one(Server, scene.ids["server"])
    site = session.get_one(Site, scene.ids["site"])
    for day in range(1, 76):
        columns: dict[str, Any] = {"age": timedelta(days=day, hours=day % 3)}
        if day in {9, 31, 32}:
            add_made(session, server, site, Status.FAILED, **columns, **DISK_FULL)
            if day == 32:
                continue
        warned = {"warning_count": 2, "warnings": ["a changed"] * 2} if day % 13 == 4 else {}
        size = 1_840_000_000 - 6_500_000 * day + 21_000_000 * (day % 5)
        add_made(session, server, site, Status.COMPLETED, **columns, **warned, size=size)
    return scene


SNAPPING: dict[str, Any] = {"stage": "snapshot", "done": 40, "total": 100}
MACHINES_SEEN = {
    "key": "machines",
    "level": "ok",
    "title": "Machines",
    "detail": "The credentials show 2 machines.",
    "remedy": "",
    "code": "",
    "worse_at": None,
}
LACKING = MACHINES_SEEN | {
    "key": "rights",
    "level": "failed",
    "title": "Rights",
    "detail": "The credentials may not make, list and delete snapshots.",
    "remedy": "Compare the rights at the provider with the policy that is shown here.",
    "code": "CLOUD_DENIED",
}
STRAYS = LACKING | {
    "key": "strays",
    "level": "warning",
    "title": "Strays",
    "detail": "2 snapshots of CloudPilot belong to no backup: snap-1, snap-2.",
    "remedy": "They cost money and nothing expires them: delete what nobody needs.",
    "code": "",
}
MACHINES_OF_GOOGLE = [
    {"id": f"europe-west3-a/{name}", "name": name, "addresses": addresses,
     "region": "europe-west3-a", "disks": 1, "size": 50 * 2**30}
    for name, addresses in (("mail", ["198.51.100.25"]), ("queue", []))
]  # fmt: skip
RIGHTS: dict[str, list[dict[str, Any]]] = {"ok": [], "warning": [STRAYS], "failed": [LACKING]}
VAULT_LINES = [
    {
        "key": "write",
        "title": "Write",
        "detail": "A small object was sent by a signed request and proven (md5-parts).",
        "remedy": "Compare the rights of the key with the policy below.",
        "code": "",
        "worse_at": None,
    },
]
FOUND_DATABASES = [
    {
        "engine": "mariadb",
        "version": "10.11.6",
        "sockets": ["/run/mysqld/mysqld.sock"],
        "ports": [],
    },
    {"engine": "postgresql", "version": "15.5", "sockets": [], "ports": [5432]},
]
TABLES = [[f"wp_{name}", rows] for name, rows in (("posts", 48_211), ("users", 912), ("terms", 0))]


LOOKED_AT = [
    {
        "key": "login",
        "level": "ok",
        "title": "Login",
        "detail": "It signs in.",
        "remedy": "",
    },
    {
        "key": "rights",
        "level": "failed",
        "title": "Rights",
        "detail": "The user lacks TRIGGER on shop: triggers would be missing from its dump.",
        "remedy": "Run the statement below.",
    },
]
GRANT = {
    "database": "",
    "what": "Read all of shop",
    "statement": "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.* TO 'backup'@'localhost';",
}


def findings(database: Database, lines: list[dict[str, str]]) -> dict[str, Any]:
    """What a look at a database server with two databases found."""
    there = {"bytes": 52_000_000, "tables": 12, "readable": True, "new": False}
    return {
        "ok": True,
        "version": "10.11.6",
        "flavour": "mariadb",
        "tool": "mariadb-dump 10.11.6",
        "databases": [there | {"name": "shop"}, there | {"name": "scratch", "new": True}],
        "lines": lines,
        "missing": [],
        "for": database.plan(),
    }


def census(database: Database) -> list[dict[str, Any]]:
    """What was counted in the dumps of two databases, one of them of an old make."""
    where = {"engine": database.engine.value, "where": database.where, "tool": "mariadb-dump"}
    shop = where | {"name": "shop", "version": "10.11.6", "bytes": 48_000_000, "tables": 3}
    shop |= {"rows": 49_123, "views": 1, "triggers": 2, "exact": True, "complete": True}
    blog = where | {"name": "b" * 60, "bytes": 3_000, "tables": 9, "rows": 40, "complete": False}
    return [shop | {"rows_by_table": TABLES}, blog | {"rows_by_table": TABLES[:1]}]


def add_databases(session: Session, scene: Scene) -> Scene:
    """Databases of the scene's site: one well, one with a problem, one nobody has looked at."""
    site = session.get_one(Site, scene.ids["site"])
    at = clock.now()
    shop = add_database(session, site, all_but=True, names=["scratch"], inspected_at=at)
    shop.findings = findings(shop, LOOKED_AT[:1])
    far = {"host": "db-1.example.com", "port": 3306, "socket": "", "user": "u" * 60}
    wrong = add_database(session, site, inspected_at=at, **far)
    wrong.findings = findings(wrong, LOOKED_AT) | {"ok": False, "missing": [GRANT]}
    new = {"engine": Engine.POSTGRESQL, "socket": "/run/postgresql", "port": 5433}
    add_database(session, site, all_but=False, names=["shop", "n" * 63], **new)
    add_checkup(session, session.get_one(Server, site.server_id), databases=FOUND_DATABASES)
    plans = [one.plan() for one in databases.of_site(session, site.id)]
    done = (Backup.site_id == site.id, Backup.status == Status.COMPLETED)
    for backup in session.scalars(select(Backup).where(*done)):
        backup.type, backup.databases, backup.census = BackupType.FULL, plans, census(shop)
    scene.ids["database"] = shop.id
    return scene


def with_databases(status: Status, **columns: Any) -> Callable[[Session], Scene]:
    """A site of files and databases, and a full backup of it in that state."""

    def build(session: Session) -> Scene:
        scene = add_databases(session, little(session))
        site = session.get_one(Site, scene.ids["site"])
        server = session.get_one(Server, scene.ids["server"])
        found = databases.of_site(session, site.id)
        values = {"type": BackupType.FULL, "databases": [one.plan() for one in found]}
        if status is Status.COMPLETED:
            values["census"] = census(found[0])
        age = {"age": timedelta(minutes=2)}
        backup, run = add_made(session, server, site, status, **(values | age | columns))
        scene.ids |= {"backup": backup.id, "run": run.id}
        return scene

    return build


def empty_site(session: Session) -> Scene:
    """A site that has neither paths nor databases, and one that has a database only."""
    server = add_server(session, "web-1", host="web-1.example.com", host_keys=[FINGERPRINT])
    site = add_site(session, server, "plain", paths=[])
    only = add_site(session, server, "only", paths=[])
    database = add_database(session, only)
    run = add_run(session, server, RunKind.INSPECT, Status.RUNNING, claim=database.claim)
    return Scene({"server": server.id, "site": site.id, "run": run.id})


WARNED = {
    "warnings": [f"tar: /srv/shop/cache/{n}: file changed as we read it" for n in range(200)],
    "warning_count": 1_234,
}


def long_words(session: Session) -> Scene:
    """Names that are as long as they may be, without a space."""
    scene = little(session)
    word = "W" * NAME_LENGTH
    session.get_one(Server, scene.ids["server"]).name = word
    session.get_one(Site, scene.ids["site"]).name = word
    backup = session.get_one(Backup, scene.ids["backup"])
    backup.server_name = backup.site_name = word
    where = {"addresses": [word, word], "region": word, "disks": 24, "size": 2**50}
    cloud = add_cloud(
        session, word, project=word, instances=[{"id": "i-db", "name": word, **where}]
    )
    scene.ids["cloud"] = cloud.id
    return scene


SURVEY = {
    "missing": [],
    "room": {"root": 71_300_000_000, "0": 38_000_000_000, "1": 38_000_000_000, "2": 38_000_000_000},
    "paths": [
        {"path": "/srv/shop", "kind": "folder", "mounted": False, "writable": True, "system": 1,
         "entries": 51_331, "bytes": 3_320_562_176, "more": True},
        {"path": "/srv/shop-media", "kind": "folder", "mounted": True, "writable": True,
         "system": 1, "entries": 812, "bytes": 99_562_176, "more": False},
        {"path": "/etc/shop.conf", "kind": "absent", "mounted": False, "writable": True,
         "system": 1, "entries": 0, "bytes": 0, "more": False},
    ],
    "databases": [
        {"number": 1, "name": "shop", "engine": "mariadb", "method": "swap", "exists": True,
         "size": 812_000_000, "tables": 96, "sessions": 4, "lacks_rights": True,
         "why": "It is made beside, compared, and takes the place of the old one (for a moment);"
         " the old one is kept for an undo.",
         "remarks": ["There are 4 sessions in it now."]},
    ],
}  # fmt: skip
OVER = SURVEY | {
    "databases": [
        SURVEY["databases"][0] | {"engine": "postgresql", "method": "in_place"}  # type: ignore[index,operator]
    ]
}
OBSTRUCTED = {
    "missing": ["zstd"],
    "databases": [],
    "room": {"root": 71_300_000_000, "0": 1_000_000},
    "paths": [SURVEY["paths"][0] | {"kind": "link"}],  # type: ignore[index,operator]
}


def restoring(status: RestoreStatus, run: dict[str, Any], **columns: Any) -> Callable[..., Scene]:
    """`little`, and a restore from its backup; the newest of its runs has these columns."""

    def scene(session: Session) -> Scene:
        found = little(session)
        server = session.get_one(Server, found.ids["server"])
        backup = session.get_one(Backup, found.ids["backup"])
        values = {"paths": ["/srv/shop"], "survey": SURVEY, "surveyed_at": clock.now()} | columns
        restore = Restore(
            id=uuid4(), status=status, backup_id=backup.id, server_id=server.id,
            root=server.backup_root, subject=backup.subject, **values,
        )  # fmt: skip
        session.add(restore)
        session.flush()
        about = {"kind": RunKind.RESTORE, "restore_id": restore.id, "subject": backup.subject}
        found.ids["run"] = add_run(session, server, **about | run).id
        found.ids["restore"] = restore.id
        return found

    return scene


SURVEYED = {"kind": RunKind.SURVEY, "status": Status.COMPLETED}
SCENES: dict[str, Callable[[Session], Scene]] = {
    "nothing": nothing,
    "new server": new_server,
    "offered key": offered_key,
    "changed key": changed_key,
    "checking": checking,
    "trapped": trapped,
    "missing": missing,
    "announced": announced,
    "not proven": not_proven,
    "taken off": taken_off(dict.fromkeys(THINGS, True) | {"directories": False}),
    "taken off, word lost": taken_off({"key": True}),
    "little": little,
    "long words": long_words,
    "much": much,
    "seasoned": seasoned,
    "offsite": offsite,
    "adopted": adopted,
    "databases": with_databases(Status.COMPLETED),
    "running databases": with_databases(Status.RUNNING, run={"stage": "dump"}),
    "failed databases": with_databases(
        Status.FAILED, error_code="DB_AUTH_FAILED", error_detail="The database refused backup."
    ),
    "empty site": empty_site,
    "pending": with_backup(Status.PENDING),
    "waiting": with_backup(Status.PENDING, run=WAITING),
    "running": with_backup(Status.RUNNING, run=RUNNING),
    "running, size unknown": with_backup(Status.RUNNING, run={"stage": "measure"}),
    "running, empty": with_backup(Status.RUNNING, run={"stage": "archive", "total": 0}),
    "running, silent": with_backup(Status.RUNNING, run=RUNNING | WAITING),
    "stopping": with_backup(Status.RUNNING, run=RUNNING | {"stop_requested_at": clock.now()}),
    "warned": with_backup(Status.COMPLETED, **WARNED),
    "much unread": with_backup(Status.COMPLETED, **MUCH_UNREAD),
    "failed": with_backup(Status.FAILED, **DISK_FULL),
    "failed for no known reason": with_backup(Status.FAILED),
    "stopped": with_backup(Status.FAILED, error_code="STOPPED", error_detail="Stopped by you."),
    "being deleted": with_deletion(Status.PENDING, **WAITING),
    "deletion stopped": with_deletion(
        Status.FAILED, error_code="STOPPED", error_detail="Stopped before it began."
    ),
    "restore planned": restoring(RestoreStatus.PLANNED, SURVEYED),
    "restore obstructed": restoring(RestoreStatus.PLANNED, SURVEYED, survey=OBSTRUCTED),
    "restoring": restoring(
        RestoreStatus.RUNNING,
        RUNNING | {"status": Status.RUNNING, "stage": "unpack", "log": LOG},
        started_at=clock.now(),
    ),
    "restored": restoring(
        RestoreStatus.COMPLETED,
        {"status": Status.COMPLETED, "log": "Restored. What was there before is kept."},
        finished_at=clock.now(),
        kept_until=clock.now() + timedelta(days=7),
    ),
    "restored in place": restoring(
        RestoreStatus.COMPLETED,
        {"status": Status.COMPLETED, "log": "Restored."},
        survey=OVER,
        finished_at=clock.now(),
        kept_until=clock.now() + timedelta(days=7),
    ),
    "restore failed": restoring(
        RestoreStatus.FAILED,
        {"kind": RunKind.UNDO, "status": Status.COMPLETED, "log": "Everything is as it was."},
        error_code="CHECKSUM_MISMATCH",
        error_detail="files.tar.gz is damaged: its SHA-256 is not that of the backup.",
    ),
    "not deletable": with_deletion(
        Status.FAILED, error_code="STILL_THERE", error_detail="A folder is still there."
    ),
}
