"""Room on disks: refused with numbers before a byte is written, or ended with nothing left.

Disks are small file systems of their own; what a user may use of one is limited by a real quota.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import detached, preview, restoring, uploading
from cloudpilot.engine.detached import Place
from cloudpilot.engine.preview import Question
from cloudpilot.engine.restoring import Archive, Restoration
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.uploading import Item, Sending
from cloudpilot.errors import BackupDirReadOnly, DiskFull, RunLost, RunStopped
from cloudpilot.kinds import Privilege
from tests.engine.conftest import Backups, Made, mounted, script_of
from tests.engine.test_detached import Launched, script_process
from tests.engine.test_increments import following as chain_after
from tests.engine.test_restore_files import Restores, good, restoration
from tests.engine.test_restore_trees import restoration as of_tree
from tests.engine.test_trees import following
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT, private_sshd
from tests.support.tree import entries
from tests.support.until import until
from tests.support.uploads import TIERS, marked

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where a disk is mounted."""
    found = tmp_path / "disk"
    found.mkdir()
    return found


def on(backups: Backups, disk: Path) -> Backups:
    """Backups that go to a folder on that disk."""
    root = disk / "root"
    root.mkdir(mode=0o700)
    return Backups(backups.session, root)


def filled(folder: Path, megabytes: int) -> Path:
    """With bytes that do not become smaller."""
    folder.mkdir(exist_ok=True)
    (folder / "big").write_bytes(os.urandom(megabytes * MIB))
    return folder


def fill(disk: Path) -> None:
    """Until neither a byte nor a name fits."""
    more = ["dd", "if=/dev/urandom", f"of={disk}/more", "bs=4k"]
    subprocess.run(more, check=False, capture_output=True)
    with suppress(OSError):
        for number in range(1000):
            (disk / f"name-{number}").touch()


def test_how_small_the_last_one_became_makes_room(backups: Backups, disk: Path) -> None:
    """Refused by what is safe, taken by what is known; refused by it, that is said."""
    site = disk.with_name("site")
    site.mkdir()
    (site / "text").write_bytes(b"all the same " * 6 * MIB)
    with mounted(disk, "100m"):
        small = on(backups, disk)
        assert isinstance(small.fails(site).error, DiskFull)
        made = small.make(site, expected_ratio=2, packs_as_before=True)
        assert int(made.report.result["measured"]) > 70 * MIB
        refused = str(small.fails(site, expected_ratio=50, packs_as_before=True).error)
        assert "81.8 MB to pack, taken to become as small as last time" in refused


def test_a_backup_without_inodes_is_refused(backups: Backups, disk: Path) -> None:
    site = filled(disk.with_name("site"), 1)
    with mounted(disk, "200m", "mode=755,nr_inodes=90"):
        said = str(on(backups, disk).fails(site).error)
    assert said.startswith(f"It needs about 100 inodes in {disk}/root, one for each file; ")


def test_a_tree_without_inodes_is_refused(backups: Backups, disk: Path) -> None:
    site = disk.with_name("site")
    site.mkdir()
    for number in range(300):
        (site / str(number)).touch()
    with mounted(disk, "200m", "mode=755,nr_inodes=380"):
        report = on(backups, disk).fails(site, tree=following(None))
    assert isinstance(report.error, DiskFull)
    assert "inodes in" in str(report.error)


def test_a_launch_that_finds_no_inode_says_so(backups: Backups, disk: Path) -> None:
    with mounted(disk, "200m", "mode=755,nr_inodes=6"), pytest.raises(DiskFull):
        on(backups, disk).start(filled(disk.with_name("site"), 1))


def test_archives_and_what_they_become_are_asked_of_one_disk_at_once(
    backups: Backups, disk: Path
) -> None:
    """Refused before anything is fetched, and long before the disk of the site is full."""
    with mounted(disk, "160m"):
        small = on(backups, disk)
        site = filled(disk / "site", 30)
        made = small.make(site)
        before = entries(site)
        what = restoration(made, site)
        [archive] = what.archives
        what = replace(what, archives=(replace(archive, path=""),))
        report = Restores(small).restore(what)
        assert isinstance(report.error, DiskFull)
        assert report.stage in {"prepare", "back"}
        assert "archives from the vault, and unpacked beside what is there" in str(report.error)
        assert entries(site) == before
        good(Restores(small).restore(restoration(made, site)))  # without fetching there is room


def test_a_restore_needs_inodes_too(backups: Backups, disk: Path) -> None:
    with mounted(disk, "200m", "mode=755,nr_inodes=600"):
        small = on(backups, disk)
        site = filled(disk / "site", 1)
        what = restoration(small.make(site), site)
        report = Restores(small).restore(replace(what, needed_files=700))
        assert isinstance(report.error, DiskFull)
        assert "inodes" in str(report.error)


@pytest.mark.parametrize("is_tree", [False, True])
def test_a_part_of_a_backup_is_weighed_for_itself(
    backups: Backups, disk: Path, is_tree: bool
) -> None:
    """All of it would not fit any more, and one folder does; another one does not."""
    elsewhere = disk.with_name("root")
    elsewhere.mkdir(mode=0o700)
    away = Backups(backups.session, elsewhere)
    with mounted(disk, "210m"):
        for name, size in (("little", 10), ("large", 70)):
            (disk / "site").mkdir(exist_ok=True)
            filled(disk / "site" / name, size)
        made = away.make(disk / "site", **({"tree": following(None)} if is_tree else {}))
        what = (of_tree if is_tree else restoration)(made, disk / "site")
        (disk / "other").write_bytes(bytes(20 * MIB))
        for name, fits in (("little", True), ("large", False)):
            part = replace(what, paths=(f"{disk}/site/{name}",), is_part=True)
            report = Restores(away).restore(replace(part, restore_id=str(uuid4())))
            assert (report.error is None) is fits, report.error
        assert isinstance(report.error, DiskFull)
        assert "unpacked beside what is there" in str(report.error)


def test_folders_of_a_part_are_not_counted_anew_for_each_increment(
    backups: Backups, disk: Path
) -> None:
    elsewhere = disk.with_name("root")
    elsewhere.mkdir(mode=0o700)
    away = Backups(backups.session, elsewhere)
    with mounted(disk, "200m", "mode=755,nr_inodes=700"):
        for number in range(200):
            (disk / f"site/part/{number}").mkdir(parents=True)
        line: list[Made] = []
        for level in range(3):
            (disk / f"site/part/file-{level}").touch()
            line.append(away.make(disk / "site", chain=chain_after(line[-1] if line else None)))
        archives = tuple(restoration(one, disk / "site").archives[0] for one in line)
        what = restoration(line[-1], disk / "site", is_part=True)
        what = replace(what, archives=archives, paths=(f"{disk}/site/part",))
        good(Restores(away).restore(what))
        assert (disk / "site/part/file-2").exists()


@pytest.mark.parametrize("is_tree", [False, True])
def test_each_of_several_disks_is_asked_for_what_goes_there(
    backups: Backups, disk: Path, is_tree: bool
) -> None:
    """Much on one and little on a small one below it; that has room for it once, but not twice."""
    elsewhere = disk.with_name("root")
    elsewhere.mkdir(mode=0o700)
    away = Backups(backups.session, elsewhere)
    little = disk / "site [a]/little"
    with mounted(disk, "400m"):
        little.mkdir(parents=True)
        with mounted(little, "92m"):
            filled(disk / "site [a]", 100)
            filled(little / "inside", 10)
            paths = (disk / "site [a]", little)
            made = away.make(*paths, **({"tree": following(None)} if is_tree else {}))
            what = (of_tree if is_tree else restoration)(made, *paths)
            good(Restores(away).restore(replace(what, restore_id=str(uuid4()))))
            report = Restores(away).restore(replace(what, restore_id=str(uuid4())))
            assert isinstance(report.error, DiskFull)
            assert f"It needs about 77.5 MB in {little} (unpacked beside" in str(report.error)


@contextmanager
def with_quota(where: Path, megabytes: int) -> Iterator[None]:
    """A disk with room, of which a folder may use a share: by btrfs, which needs no quota tools."""
    if not IS_ROOT or not shutil.which("mkfs.btrfs"):
        must_run("btrfs", "it takes root and btrfs-progs")
    image = where.with_name(f"{where.name}.img")
    with image.open("wb") as file:
        file.truncate(300 * MIB)
    for command in (["mkfs.btrfs", "-q", image], ["mount", "-o", "loop", image, where]):
        subprocess.run(command, check=True, capture_output=True)
    try:
        for words in (
            ["subvolume", "create", where / "root"],
            ["quota", "enable", where],
            ["qgroup", "limit", f"{megabytes}M", where / "root"],
        ):
            subprocess.run(["btrfs", *words], check=True, capture_output=True)
        (where / "root").chmod(0o700)
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)
        image.unlink()


@pytest.mark.parametrize("is_tree", [False, True])
def test_a_quota_that_is_reached_is_no_full_disk_and_leaves_nothing(
    backups: Backups, disk: Path, is_tree: bool
) -> None:
    site = filled(disk.with_name("site"), 50)
    with with_quota(disk, 20):
        small = Backups(backups.session, disk / "root")
        report = small.fails(site, **({"tree": following(None)} if is_tree else {}))
        assert isinstance(report.error, DiskFull)
        assert f"may use of the disk of {disk}/root was used up" in str(report.error)


def test_a_quota_that_is_used_up_lets_nothing_begin(backups: Backups, disk: Path) -> None:
    site = filled(disk.with_name("site"), 1)
    with with_quota(disk, 5):
        (disk / "root/other").write_bytes(os.urandom(4 * MIB))
        fill(disk / "root")
        small = Backups(backups.session, disk / "root")
        with pytest.raises(DiskFull, match="may use of the disk of"):
            small.start(site)


def test_a_disk_that_is_mounted_read_only_has_its_own_name(backups: Backups, disk: Path) -> None:
    with mounted(disk, "50m"):
        small = on(backups, disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(BackupDirReadOnly, match="mounted read-only"):
            small.start(filled(disk.with_name("site"), 1))


@pytest.mark.parametrize("root", ["root", "with/folders/above"])
def test_so_has_one_on_which_the_directory_is_still_to_be_made(
    backups: Backups, disk: Path, root: str
) -> None:
    with mounted(disk, "50m", "mode=755,ro"):
        away = Backups(backups.session, disk / root)
        with pytest.raises(BackupDirReadOnly, match=f"The disk of {disk}/{root} is mounted"):
            away.start(disk)


@contextmanager
def failing(where: Path, megabytes: int = 60) -> Iterator[None]:
    """A disk that the system makes read-only once it has met an error on it."""
    image = where.with_name(f"{where.name}.img")
    with image.open("wb") as file:
        file.truncate(megabytes * MIB)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mount = ["mount", "-o", "loop,errors=remount-ro", image, where]
    if not IS_ROOT or subprocess.run(mount, check=False).returncode:
        must_run("mount", "only root may mount, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def fail_now(disk: Path) -> None:
    """As if the system had met that error."""
    subprocess.run(["mount", "-o", "remount,abort", disk], check=False, capture_output=True)


def ends(place: Place) -> None:
    """Soon nothing works for that run any more."""
    until(lambda: marked(place), lambda found: not found, seconds=10)


@pytest.mark.parametrize("is_tree", [False, True])
def test_a_disk_that_becomes_read_only_meanwhile_ends_what_packs(
    backups: Backups, disk: Path, is_tree: bool
) -> None:
    """What it waits for can not be written, nor that it ended: nothing is left alive."""
    site = filled(disk.with_name("site"), 150)
    with failing(disk, 400):
        small = on(backups, disk)
        place = small.start(site, **({"tree": following(None)} if is_tree else {}))
        begun = "work/tree/files/tmp" if is_tree else "work/archive"
        until(Path(place.run_directory, begun).exists, bool)
        fail_now(disk)
        ends(place)
        assert isinstance(small.look(place).error, BackupDirReadOnly)


def waiting_restore(backups: Backups) -> Place:
    """For a request, to fetch what it restores."""
    archive = Archive("a.tar.gz", MIB, "0" * 64)
    path = str(backups.root / "site")
    what = Restoration(
        str(uuid4()), Privilege.PLAIN, (archive,), (path,), (path,), MIB, in_clear=True
    )
    place = Place(str(backups.root), what.restore_id, "restore")
    detached.launch(backups.session, place, restoring.restore(what))
    until(lambda: backups.look(place).wants, bool)
    return place


def waiting_upload(backups: Backups) -> Place:
    """For a request, to send what is there."""
    place = Place(str(backups.root), str(uuid4()), "u1")
    Path(place.backup_directory).mkdir()
    Path(place.backup_directory, "a.tar.gz").write_bytes(b"x")
    digest = sha256(b"x").hexdigest()
    sending = Sending("u1", (Item("archive", "a.tar.gz", TIERS),), None, size=1, sha256=digest)
    files = uploading.files(replace(sending, in_clear=True))
    detached.launch(backups.session, place, files, uploading.secrets({}, seconds=600))
    until(lambda: backups.look(place).wants, bool)
    return place


def waiting_maker(backups: Backups) -> Place:
    """For an upload that does not begin."""
    site = filled(backups.root.parent.with_name("site"), 1)
    place = backups.start(site, streamed=True, upload_id="u1", tiers=TIERS)
    until(Path(place.run_directory, "result").exists, bool)
    return place


def waiting_packer(backups: Backups) -> Place:
    """The same, with more to pack than may be ahead of it."""
    site = filled(backups.root.parent.with_name("site"), 120)
    place = backups.start(site, streamed=True, upload_id="u1", tiers=TIERS)
    archive = Path(place.run_directory, "work/archive")
    until(lambda: archive.exists() and archive.stat().st_size, lambda size: size > 60 * MIB)
    return place


@pytest.mark.parametrize(
    "waiting", [waiting_restore, waiting_upload, waiting_maker, waiting_packer]
)
def test_nobody_waits_on_a_disk_that_became_read_only(
    backups: Backups, disk: Path, waiting: Callable[[Backups], Place]
) -> None:
    """What it waits for is asked for, or said, in a file there: it would wait for ever."""
    with failing(disk, 900):
        small = on(backups, disk)
        place = waiting(small)
        assert marked(place)
        fail_now(disk)
        ends(place)
        assert isinstance(small.look(place).error, BackupDirReadOnly)


def test_a_disk_that_becomes_read_only_is_no_lost_run(backups: Backups, disk: Path) -> None:
    """Nothing can be written, not even the end."""
    with failing(disk):
        small = on(backups, disk)
        place = Place(str(small.root), f"b-{uuid4().hex[:8]}", "r1")
        body = "while : >>work/turn; do sleep 0.05; done 2>/dev/null; fail 70 no"
        detached.launch(backups.session, place, script_of(body))
        until(Path(place.run_directory, "work/turn").exists, bool)
        fail_now(disk)
        report = small.over(place)
        assert isinstance(report.error, BackupDirReadOnly)


def test_a_run_on_a_full_disk_is_stopped(backups: Backups, disk: Path) -> None:
    """There is no room for the mark that ends it, and it ends."""
    with mounted(disk, "3m", "mode=755,nr_inodes=100"):
        small = on(backups, disk)
        place = Place(str(small.root), f"b-{uuid4().hex[:8]}", "r1")
        body = script_of("head -c 1M /dev/zero >work/part; sleep 60")
        detached.launch(backups.session, place, body)
        until(Path(place.run_directory, "work/part").exists, bool)
        fill(disk)
        detached.stop(backups.session, place)
        assert isinstance(small.over(place).error, RunStopped)


@contextmanager
def closed_tmp() -> Iterator[tuple[Session, Path]]:
    """A server on which nobody can write to /tmp, and a folder that it shares with us."""
    if not IS_ROOT:
        must_run("mount", "only root may mount")
    closed = 'mount -t tmpfs -o ro tmpfs /tmp && exec "$@"'
    inside = ("unshare", "--mount", "bash", "-c", closed, "in")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        home = Path(folder, "sshd")
        home.mkdir()
        with private_sshd(home, inside=inside) as sshd, sshd.session() as session:
            yield session, Path(folder)


def test_nothing_needs_tmp() -> None:
    with closed_tmp() as (session, folder):
        backups = Backups(session, folder / "root")
        site = filled(folder / "site", 1)
        before = entries(site)
        backups.make(site, tree=following(None))
        made = backups.make(site)
        (site / "big").write_text("changed")
        good(Restores(backups).restore(restoration(made, site)))
        assert entries(site) == before
        found = preview.ask(session, Question(paths=[str(site)], backup_root=str(folder / "no")))
        assert found["kept"]["entries"] == 2


def test_what_killed_runs_leave_in_memory_goes_with_the_next_look(
    session: Session, launched: Launched
) -> None:
    body = "memory; echo secret >$memory_folder/login; echo $memory_folder >where; sleep 60"
    place = launched(body)
    where = Path(place.run_directory, "where")
    until(lambda: where.exists() and where.read_text().strip(), bool)
    memory = Path(where.read_text().strip())
    assert (memory / "login").exists()
    os.kill(script_process(place), signal.SIGKILL)
    report = until(lambda: detached.look(session, place), lambda found: found.over)
    assert isinstance(report.error, RunLost)
    assert not memory.exists()
    detached.remove(session, place.root, place.backup_id)
