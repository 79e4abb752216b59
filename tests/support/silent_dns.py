"""A machine whose name server takes questions and never answers."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.must_run import must_run

# In a network of its own: loopback is up, and something listens where the name server would.
PREPARE = """
import fcntl, socket, struct, subprocess
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.53", 53))
subprocess.run(["mount", "--bind", {resolv!r}, "/etc/resolv.conf"], check=True)
"""


def without_answers(program: str) -> str:
    """What a Python program prints there."""
    if os.geteuid() != 0:
        must_run("root", "a network namespace needs root")
    with tempfile.TemporaryDirectory() as folder:
        resolv = Path(folder) / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.53\noptions timeout:30\n")
        code = PREPARE.format(resolv=str(resolv)) + program
        command = ["unshare", "--mount", "--net", sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
