"""The second backup, with one file in a hundred changed, against what people use instead, where it
is installed. `make bench` runs it; `python -m bench.increments` alone."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.data import web_site
from bench.figures import say, timed
from bench.runs import done
from bench.stage import scratch
from cloudpilot.engine import script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.script import Chain, Contents
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Compression
from cloudpilot.reports import Report
from tests.support.sshd import private_sshd

ROUNDS = 3
FILES = 28_000
CHANGED = 100  # one file in so many


def main() -> None:
    """The fastest of each, and what each stored."""
    data = web_site(scratch() / "many", FILES)
    with (
        TemporaryDirectory(prefix="cp-bench-", dir=scratch()) as home,
        private_sshd(Path(home)) as sshd,
        sshd.session() as session,
    ):
        ours = Ours(session, Path(home), data)
        others = [other(Path(home), data) for other in (Restic, Rsync) if shutil.which(other.name)]
        for one in (ours, *others):
            one.first()
        for number in range(ROUNDS):
            change(data, number)
            for one in (ours, *others):
                one.seconds.append(timed(one.second))
    best = min(ours.seconds)
    say("second backup, 1 % changed", f"{best:.2f} s", "")
    say("  bytes against the full one", f"{ours.share:.2%}", "≤ 2 %")
    for one in others:
        aim = "≤ 0.3 ×" if isinstance(one, Restic) else ""
        say(f"  against `{one.command}`", f"{best / min(one.seconds):.2f} ×", aim)


def change(data: Path, number: int) -> None:
    """One small file in a hundred has other contents, of the same size."""
    for place in sorted(data.rglob("page-*.html"))[number::CHANGED]:
        place.write_bytes(os.urandom(place.stat().st_size))


class Ours:
    """A whole run, from launch to its result."""

    def __init__(self, session: Session, home: Path, data: Path) -> None:
        self.session, self.root, self.data = session, home / "root", data
        self.seconds: list[float] = []
        self.chain = Chain("bench")
        self.share = 0.0
        self._full = 0

    def first(self) -> None:
        """The full one."""
        self._full = int(self._run().result["size"])

    def second(self) -> None:
        """An increment."""
        self.share = int(self._run().result["size"]) / self._full

    def _run(self) -> Report:
        place = Place(str(self.root), str(uuid4()), "r1")
        what = Contents(
            paths=(str(self.data),),
            excludes=(),
            compression=Compression.GZIP,
            archive="a.tar.gz",
            backup_root=place.root,
            plan=b"{}",
            chain=self.chain,
        )
        report = done(self.session, place, script.backup(what))
        level = int(report.result["level"]) + 1
        self.chain = Chain("bench", place.backup_id, report.result["state_sha256"], level)
        return report


class Restic:
    """To a repository on the same disk."""

    name = "restic"
    command = "restic backup"

    def __init__(self, home: Path, data: Path) -> None:
        self.repository, self.data = home / "restic", data
        self.seconds: list[float] = []

    def first(self) -> None:
        """The first run."""
        self._restic("init")
        self.second()

    def second(self) -> None:
        """Any other."""
        self._restic("backup", str(self.data))

    def _restic(self, *words: str) -> None:
        environ = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": f"{self.repository}.cache"}
        command = ["restic", "--quiet", "--repo", str(self.repository), *words]
        subprocess.run(command, check=True, env=os.environ | environ)


class Rsync:
    """A tree a day, with hard links to the one before."""

    name = "rsync"
    command = "rsync -a --link-dest"

    def __init__(self, home: Path, data: Path) -> None:
        self.trees, self.data, self.number = home / "trees", data, 0
        self.seconds: list[float] = []

    def first(self) -> None:
        """A whole tree."""
        self.trees.mkdir()
        self.second()

    def second(self) -> None:
        """What has changed, and links."""
        link = [f"--link-dest={self.trees / str(self.number)}"] if self.number else []
        self.number += 1
        target = self.trees / str(self.number)
        subprocess.run(["rsync", "-a", *link, f"{self.data}/", f"{target}/"], check=True)


if __name__ == "__main__":
    main()
