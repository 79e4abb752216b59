"""The recovery key: typed by people, and what it opens."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest

from cloudpilot import recovery
from cloudpilot.errors import ExportDamaged, RecoveryKeyWrong
from tests.support.must_run import must_run

TEXT = b"first line\n" * 20_000  # several of age's pieces of 64 KiB


class Full:
    """A disk with no room, or a database that refuses."""

    def write(self, data: bytes) -> None:
        raise OSError(28, "No space left on device")


class Broken:
    """A source that breaks off."""

    def read(self, size: int = -1) -> bytes:
        raise ZeroDivisionError


def encrypted(key: recovery.RecoveryKey, text: bytes = TEXT) -> bytes:
    target = BytesIO()
    recovery.encrypt(key.recipient, BytesIO(text), target)
    return target.getvalue()


def opened(key: recovery.RecoveryKey, data: bytes) -> bytes:
    target = BytesIO()
    recovery.decrypt(key.secret, BytesIO(data), target)
    return target.getvalue()


def test_what_is_encrypted_for_a_key_opens_with_it_alone() -> None:
    key, other = recovery.new(), recovery.new()
    data = encrypted(key)
    assert opened(key, data) == TEXT
    assert TEXT[:40] not in data
    with pytest.raises(RecoveryKeyWrong, match="does not open"):
        opened(other, data)


def test_a_key_prints_itself_nowhere() -> None:
    key = recovery.new()
    assert key.secret.reveal() not in f"{key} {key!r}"


@pytest.mark.parametrize(
    "typing",
    [
        str.lower,
        lambda text: f"  {text}\r\n",
        lambda text: " ".join(text[at : at + 6] for at in range(0, len(text), 6)),
        lambda text: text[:40] + "\n\t" + text[40:],
        lambda text: text.replace("-", "–"),
        lambda text: text[:16] + text[16:].replace("0", "O").replace("L", "1").replace("8", "b"),
        lambda text: text[:16] + text[16:].replace("L", "i"),
    ],
)
def test_a_persons_typing_is_forgiven(typing: "object") -> None:
    key = recovery.new()
    assert recovery.read(typing(key.secret.reveal())) == key  # type: ignore[operator]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text[:-1] + ("Q" if text[-1] != "Q" else "P"),
        lambda text: "",
        lambda text: "hunter2",
        lambda text: text + text,
        lambda text: text.removeprefix("AGE-SECRET-KEY-"),
    ],
)
def test_what_is_no_key_is_refused_with_a_code_and_never_repeated(spoil: "object") -> None:
    typed: str = spoil(recovery.new().secret.reveal())  # type: ignore[operator]
    with pytest.raises(RecoveryKeyWrong, match="no recovery key") as refused:
        recovery.read(typed)
    assert refused.value.code == "RECOVERY_KEY_WRONG"
    assert not typed or typed not in str(refused.value)


def test_its_last_characters_are_forgiven_too() -> None:
    key = recovery.new()
    last = key.secret.reveal()[-recovery.ENDING :]
    typed = f" {last[:4].lower()} {last[4:].replace('0', 'o')} "
    assert recovery.typed_ending(typed) == recovery.ending(key.secret)
    assert recovery.typed_ending(last[1:]) != recovery.ending(key.secret)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b"a page that somebody has saved instead",
        lambda data: data[:100],  # within the header
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
        lambda data: data[:400] + bytes([data[400] ^ 1]) + data[401:],
        lambda data: data + b"more",
    ],
)
def test_what_was_cut_or_changed_is_refused(spoil: "object") -> None:
    key = recovery.new()
    with pytest.raises(ExportDamaged, match="no whole file"):
        opened(key, spoil(encrypted(key)))  # type: ignore[operator]


@pytest.mark.parametrize("text", [b"", b"short", TEXT])
def test_what_cannot_be_written_is_told_also_of_the_last_piece(text: bytes) -> None:
    key = recovery.new()
    with pytest.raises(OSError, match="No space"):
        recovery.encrypt(key.recipient, BytesIO(text), Full())
    if text:
        with pytest.raises(OSError, match="No space"):
            recovery.decrypt(key.secret, BytesIO(encrypted(key, text)), Full())


def test_what_the_source_raises_is_not_taken_for_damage() -> None:
    key = recovery.new()
    with pytest.raises(ZeroDivisionError):
        recovery.encrypt(key.recipient, Broken(), BytesIO())
    with pytest.raises(ZeroDivisionError):
        recovery.decrypt(key.secret, Broken(), BytesIO())


def test_manifests_have_a_key_of_their_own() -> None:
    one, other = recovery.new(), recovery.new()
    assert len(recovery.manifest_key(one.secret)) == 32
    assert recovery.manifest_key(one.secret) == recovery.manifest_key(one.secret)
    assert recovery.manifest_key(one.secret) != recovery.manifest_key(other.secret)


def test_the_plain_tool_opens_it(tmp_path: Path) -> None:
    if shutil.which("age") is None:
        must_run("age", "it is not installed")
    key = recovery.new()
    (tmp_path / "key").write_text(key.secret.reveal())
    command = ["age", "-d", "-i", str(tmp_path / "key")]
    said = subprocess.run(command, input=encrypted(key), capture_output=True, check=True)
    assert said.stdout == TEXT
