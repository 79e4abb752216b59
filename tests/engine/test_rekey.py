"""One key in, another out, and all else in the file as it was, to the byte."""

import subprocess
from pathlib import Path

import pytest

from cloudpilot.engine.program import Program

OLD = "ssh-ed25519 AAAAold cloudpilot-1"
NEW = "ssh-ed25519 AAAAnew cloudpilot-1"
OTHER = b"# AAAAold is ours\nssh-rsa AAAA+/= ada@laptop\n\n"
ODD = b"\xff\xfe command=\"printf '\\\\n'\" ssh-rsa BBBB \\t"


def rekey(home: Path, *words: str) -> bytes:
    """What the file holds after that; its mode stays."""
    keys = home / ".ssh/authorized_keys"
    program = Program("rekey", words).text()
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-s"], input=program, env=environ, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert keys.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in keys.resolve().parent.iterdir()] == [keys.resolve().name]
    return keys.read_bytes()


@pytest.fixture(params=["file", "link"])
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    (tmp_path / "home/.ssh").mkdir(parents=True)
    keys = tmp_path / "home/.ssh/authorized_keys"
    if request.param == "link":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere/keys").touch()
        keys.symlink_to(tmp_path / "elsewhere/keys")
    keys.touch()
    keys.chmod(0o640)
    return tmp_path / "home"


@pytest.mark.parametrize("before", [b"", OTHER, OTHER + ODD + b"\n"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\n" + OTHER, b"\n" + OTHER + ODD])
def test_all_else_stays_to_the_byte(home: Path, before: bytes, after: bytes) -> None:
    (home / ".ssh/authorized_keys").write_bytes(before + OLD.encode() + after)
    both = before + f"{NEW}\n{OLD}".encode() + after
    assert rekey(home, "add", OLD, NEW) == both
    assert rekey(home, "add", OLD, NEW) == both  # again
    ended = after or b"\n"
    assert rekey(home, "drop", OLD) == before + NEW.encode() + ended
    assert rekey(home, "drop", OLD) == before + NEW.encode() + ended


def test_the_new_key_gets_the_options_of_the_former(home: Path) -> None:
    line = f'from="10.0.0.1",no-pty {OLD}'
    (home / ".ssh/authorized_keys").write_text(f"{line}\n")
    assert rekey(home, "add", OLD, NEW).decode() == f'from="10.0.0.1",no-pty {NEW}\n{line}\n'


def test_where_the_former_key_is_not_the_new_one_comes_first(home: Path) -> None:
    (home / ".ssh/authorized_keys").write_bytes(ODD)
    assert rekey(home, "add", OLD, NEW) == NEW.encode() + b"\n" + ODD
    assert rekey(home, "drop", NEW) == ODD
