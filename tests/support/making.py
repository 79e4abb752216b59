"""A run that makes an archive, as far as an upload that follows it can see."""

import subprocess
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.support.uploads import NAMES, Transfer

RUN = "make"


@dataclass
class Making:
    """It grows when it is told to. Its process does nothing and can be killed."""

    transfer: Transfer
    archive: bytes
    written: int = 0
    process: subprocess.Popen[bytes] | None = None
    run: Path = field(init=False)

    def __post_init__(self) -> None:
        self.run = self.transfer.folder / f"run-{RUN}"
        self.transfer.contents = {"archive": self.archive, "index": b"index", "manifest": b"{}"}

    def begin(self, boot: str = "") -> None:
        (self.run / "work").mkdir(parents=True)
        self.transfer.root.chmod(0o700)
        self.process = subprocess.Popen(["sleep", "600"])
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (self.run / "pid").write_text(f"{self.process.pid} {stat[19]} {boot}\n")
        (self.run / "work/archive").touch()

    def grow(self, size: int) -> None:
        """So many bytes more."""
        with (self.run / "work/archive").open("ab") as file:
            file.write(self.archive[self.written : self.written + size])
        self.written += size

    def finish(self, digest: str = "") -> None:
        """The rest, the final names, and the word that it is whole."""
        self.grow(len(self.archive) - self.written)
        folder = self.transfer.folder
        (self.run / "work/archive").rename(folder / NAMES["archive"])
        for name in ("index", "manifest"):
            (folder / NAMES[name]).write_bytes(self.transfer.contents[name])
        digest = digest or sha256(self.archive).hexdigest()
        words = f"size={len(self.archive)}\nsha256={digest}\ncomplete=1\n"
        (self.run / "result.new").write_text(words)
        (self.run / "result.new").rename(self.run / "result")
        self.exit(0)

    def exit(self, status: int) -> None:
        (self.run / "exit.new").write_text(f"{status}\n")
        (self.run / "exit.new").rename(self.run / "exit")
        self.kill()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def fail(self, status: int) -> None:
        """As a failed run leaves things: nothing."""
        (self.run / "work/archive").unlink()
        self.exit(status)
