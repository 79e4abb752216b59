"""Runs the measurements and prints a table; takes a quarter of an hour.

`python -m bench many 1000` takes one of them alone, in one size: see bench/many.py.
"""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import downloads, dumps, increments, many, restores, schedules
from bench.data import web_site
from bench.figures import say, timed
from bench.pages import measured
from bench.stage import memory, scratch, stage
from tests.support.world import World

ROUNDS = 3
TINY_RUNS = 20


def main() -> None:
    """All of it."""
    data = web_site(scratch() / "site")
    tiny = scratch() / "tiny"
    tiny.mkdir(exist_ok=True)
    (tiny / "index.html").write_text("<h1>hello</h1>")
    with stage(tiny) as world:
        clicks(world)
        processes(world)
    with stage(data) as world:
        whole_path(world)
    dumps.main()
    increments.main()
    schedules.main()
    downloads.main()
    restores.main()
    many.main()
    for database, path, milliseconds in measured():
        say(f"{path} with 100,000 backups, {database}", f"{milliseconds:.0f} ms", "≤ 50 ms")


def clicks(world: World) -> None:
    """From the click to `completed`, for a site of one small file."""
    seconds = []
    for _ in range(TINY_RUNS):
        started = time.monotonic()
        world.ended(world.back_up())
        seconds.append(time.monotonic() - started)
    seconds.sort()
    say("click to completed, tiny site, median", f"{statistics.median(seconds):.2f} s", "≤ 2 s")
    say(
        "click to completed, tiny site, p95", f"{seconds[int(TINY_RUNS * 0.95) - 1]:.2f} s", "≤ 4 s"
    )


def processes(world: World) -> None:
    """Memory of what runs all the time."""
    children = world.processes.children("worker")
    worker = [world.processes.pid("worker"), *children]
    clock = [world.processes.pid("clock")]
    world.processes.start("web")
    web = [world.processes.pid("web"), *world.processes.children("web")]
    say("memory of the process that looks and one of work", mib(memory(children[:2])), "≤ 90 MiB")
    say("memory of all of worker.py (five processes)", mib(memory(worker)), "")
    say("memory of the clock", mib(memory(clock)), "")
    say("memory of the web", mib(memory(web)), "")


def whole_path(world: World) -> None:
    """From the click to `completed`, against the same by hand over the same sshd."""
    archive = world.root.parent / "by-hand.tar.gz"
    ours: list[float] = []
    hand: dict[str, list[float]] = {name: [] for name in PIPES}
    for _ in range(ROUNDS):
        ours.append(timed(lambda: world.ended(world.back_up())))
        for name, pipe in PIPES.items():
            hand[name].append(timed(lambda pipe=pipe: over_ssh(world, pipe, archive)))  # type: ignore[misc]
        shutil.rmtree(world.root)
    best = min(ours)
    say("whole path, web site of about 500 MB", f"{best:.2f} s", "")
    for name, seconds in hand.items():
        fastest = min(seconds)
        say(f"  against `{name}`", f"{best / fastest:.2f} × ({best - fastest:+.2f} s)", "")


PIPES = {
    "tar | igzip -2 | tee | openssl": "igzip -2 -c | tee {0} | openssl dgst -sha256",
    "tar | pigz | tee | openssl": "pigz -c | tee {0} | openssl dgst -sha256",
}


def over_ssh(world: World, pipe: str, archive: Path) -> None:
    """The same options of tar, in the same kind of session."""
    tar = "tar -c --format=posix --numeric-owner --acls --xattrs --sparse --one-file-system"
    key = world.sshd.home / "bench_key"
    key.write_text(world.sshd.private_key.reveal())
    key.chmod(0o600)
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-q"]
    login = [
        "ssh",
        "-i",
        str(key),
        *options,
        "-p",
        str(world.sshd.port),
        f"{world.sshd.user}@127.0.0.1",
    ]
    command = f"{tar} -C {world.files} . | {pipe.format(archive)} && sync {archive}"
    subprocess.run([*login, command], check=True, stdout=subprocess.DEVNULL)
    archive.unlink()


def mib(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 2**20:.0f} MiB"


if __name__ == "__main__":
    if sys.argv[1:2] == ["many"]:
        many.main(*map(int, sys.argv[2:]))
    else:
        main()
