"""Commands for a server's root, and the lines that people paste back."""

import gzip
from base64 import b64decode
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudpilot.engine.keypair import new_key
from cloudpilot.engine.pasted import (
    Ready,
    parse_fingerprints,
    parse_ready,
    parse_removed,
    setup_command,
    uninstall_command,
)
from cloudpilot.engine.program import REMOTE
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Privilege

KEY = "SHA256:" + "aB3+/" * 8 + "xyz"
ID = UUID("12345678-1234-5678-1234-567812345678")
BASE64 = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
ONE_LINE_OF_A_TERMINAL = 4095


def set_up(public: str, privilege: Privilege = Privilege.READ_ALL) -> str:
    return setup_command(ID, public, privilege=privilege, username="cloudpilot")


def remove(*roots: str, keep: bool = True) -> str:
    return uninstall_command(ID, username="cloudpilot", keep=keep, roots=roots)


def test_the_commands_are_one_short_line_of_plain_characters() -> None:
    _, public = new_key(f"cloudpilot-{ID}")
    for command, script in (
        (set_up(public), "setup.sh"),
        (remove("/var/backups/cloudpilot", "/tmp/cloudpilot-backups"), "uninstall.sh"),
    ):
        assert "\n" not in command
        assert len(command) < ONE_LINE_OF_A_TERMINAL
        sent = gzip.decompress(b64decode(command.split(" ")[1])).decode().splitlines()
        written = (REMOTE / script).read_text().splitlines()
        assert sent == [line for line in written if line and not line.lstrip().startswith("#")]


def test_what_a_command_is_called_with() -> None:
    _, public = new_key(f"cloudpilot-{ID}")
    words = set_up(public).split(" ")
    assert words[-4:-1] == [str(ID), "read-all", "cloudpilot"]
    assert b64decode(words[-1]).decode() == public
    words = remove("/a/b", "/c/d", keep=False).split(" ")
    assert words[-4:-1] == [str(ID), "cloudpilot", "empty"]
    assert b64decode(words[-1]).decode() == "/a/b\n/c/d\n."


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_name_can_write_into_a_command(name: str) -> None:
    """The key's line and the directories are all that comes from outside, and travel as base64."""
    for command, constant in (
        (set_up(f"ssh-ed25519 AAAA {name}"), set_up("")),
        (remove(f"/{name}"), remove("")),
    ):
        front, _, last = command.rpartition(" ")
        assert set(last) <= BASE64
        assert front == constant.rpartition(" ")[0]


@settings(max_examples=300)
@given(st.text().filter(lambda name: not name.isascii() or not name.isidentifier()))
def test_a_user_that_is_no_plain_name_gets_no_command(name: str) -> None:
    odd = name + "$"
    with pytest.raises(InvalidConfig):
        setup_command(ID, "", privilege=Privilege.PLAIN, username=odd)
    with pytest.raises(InvalidConfig):
        uninstall_command(ID, username=odd, keep=True, roots=["/a/b"])


def test_what_was_pasted_says_who_what_and_whose_keys() -> None:
    other = KEY.replace("x", "y")
    pasted = f"This server is ready.\r\n  cloudpilot-ready {ID} full {KEY} {other} {KEY} \r\n"
    assert parse_ready(pasted) == Ready(ID, Privilege.FULL, (KEY, other))


@pytest.mark.parametrize(
    "text",
    ["", "hello", "cloudpilot-ready", f"cloudpilot-ready {ID}", f"cloudpilot-ready {ID} full", KEY,
     f"cloudpilot-ready {ID} {KEY}", f"cloudpilot-ready {ID} root {KEY}", f"x {ID} full {KEY}",
     f"cloudpilot-ready {str(ID)[:-1]} full {KEY}", f"cloudpilot-host-keys {KEY}",
     f"cloudpilot-ready {ID} full {KEY} SHA256:{'a' * 42}",
     f"cloudpilot-ready {ID} full MD5:{'a' * 43}"],
)  # fmt: skip
def test_what_is_not_that_line_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig):
        parse_ready(text)


def test_what_is_gone_is_said_one_by_one() -> None:
    line = f"cloudpilot-removed {ID} key=gone rule=gone tar=gone directories=kept user=gone"
    removed = parse_removed(f"Stays, and belongs to root: /a\n{line}\n", ID)
    assert [thing for thing, gone in removed.gone.items() if not gone] == ["directories"]
    for broken in (line[:-5], line[:-14], line.replace("kept", "perhaps"), f"{line} more=gone", ""):
        with pytest.raises(InvalidConfig):
            parse_removed(broken, ID)
    with pytest.raises(InvalidConfig, match="another server"):
        parse_removed(line, uuid4())


def test_announced_keys_are_taken_from_either_line() -> None:
    listed = f"256 {KEY} root@web (ED25519)\n3072 {KEY.replace('x', 'y')} root@web (RSA)"
    assert parse_fingerprints(listed, ID) == (KEY, KEY.replace("x", "y"))
    assert parse_fingerprints(f"cloudpilot-ready {ID} plain {KEY}", ID) == (KEY,)
    with pytest.raises(InvalidConfig, match="another server"):
        parse_fingerprints(f"cloudpilot-ready {uuid4()} plain {KEY}", ID)
    for broken in ("", "hello", f"{KEY} SHA256:short", f"cloudpilot-ready x plain {KEY}"):
        with pytest.raises(InvalidConfig):
            parse_fingerprints(broken, ID)
