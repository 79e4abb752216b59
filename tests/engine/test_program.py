"""A program runs whole or not at all, and what is given to it arrives as it is."""

import string
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed, InvalidConfig
from tests.engine.conftest import script_of
from tests.support.sshd import Sshd
from tests.support.until import until

HOSTILE = "'\"`$(){}[]*?!#&|;<>~\\ \n\t\r-=é\u2028😀\x01\x7f"
words = st.text(st.sampled_from(HOSTILE + string.ascii_letters), max_size=40) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40
)


class Echo(Program):
    """Answers with its words, so that they can be compared."""

    def text(self) -> bytes:
        whole = Program("stop", self.args, self.files).text()
        before, _, _ = whole.partition(b"# shellcheck shell=bash")
        return (
            before
            + b'for word; do printf "%s" "$word" | base64 -w 0; echo; done\n}\ncloudpilot_main'
        )


@given(st.lists(words, min_size=4, max_size=4))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_word_arrives_as_it_is(session: Session, given_words: list[str]) -> None:
    answer = session.run(Echo("", tuple(given_words)))
    assert [b64decode(line).decode() for line in answer.decode().split("\n")[:-1]] == given_words


def test_a_name_that_is_no_text_arrives_too(session: Session) -> None:
    (answer,) = session.run(Echo("", ("\udcff\udcfe",))).split()
    assert b64decode(answer) == b"\xff\xfe"


def test_a_nul_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        Program("look", ("a\0b",)).text()


def test_a_launch_that_is_cut_off_anywhere_starts_nothing(server: Sshd, place: Place) -> None:
    files = dict(script_of('echo ran >>"$backup/ran"')) | {"padding": bytes(range(256)) * 40}
    arguments = (place.root, place.backup_id, place.run_id, "nonce")
    text = Program("launch", arguments, files).text()
    last_call = text.rindex(b"\ncloudpilot_main")  # what is longer than this may run
    lengths = [*range(0, last_call, 100), *range(last_call - 40, last_call + 16)]

    def send(some: list[int]) -> None:
        with server.session() as session:
            for length in some:
                send_cut(session, text[:length])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, [lengths[start::4] for start in range(4)]))
    assert not Path(place.root).exists()


BEYOND = len(b"\ncloudpilot_main"), len(b"\ncloudpilot_main </dev/null\nexit\n")


@pytest.mark.parametrize("beyond", range(*BEYOND, 3))
def test_the_last_line_cut_off_starts_everything_or_nothing(
    session: Session, place: Place, beyond: int
) -> None:
    files = script_of('echo ran >>"$backup/ran"')
    text = Program("launch", (place.root, place.backup_id, place.run_id, "nonce"), files).text()
    send_cut(session, text[: text.rindex(b"\ncloudpilot_main") + beyond])
    if Path(place.root).exists():
        until(lambda: detached.look(session, place), lambda report: report.over)
    detached.launch(session, place, files)
    report = until(lambda: detached.look(session, place), lambda report: report.over)
    assert report.error is None
    assert Path(place.backup_directory, "ran").read_text() == "ran\n"
    assert not list(Path(place.backup_directory).glob(".new.*"))


def send_cut(session: Session, text: bytes) -> None:
    """All that arrives of a text before the connection breaks."""
    channel = session._transport.open_session()
    with channel:
        channel.exec_command("bash -s")
        channel.sendall(text)
        channel.shutdown_write()
        channel.recv_exit_status()


@pytest.mark.parametrize(
    ("right", "wrong"), [(b"put script ", b"put script 1"), (b"QUJD", b"QUJE")]
)
def test_a_damaged_file_is_not_launched(
    session: Session, place: Place, right: bytes, wrong: bytes
) -> None:
    class Damaged(Program):
        def text(self) -> bytes:
            whole = Program(self.name, self.args, self.files).text()
            assert right in whole
            return whole.replace(right, wrong, 1)

    arguments = (place.root, place.backup_id, place.run_id, "nonce")
    with pytest.raises(CommandFailed, match="could not be written whole"):
        session.run(Damaged("launch", arguments, {"script": b"ABC"}))
    assert list(Path(place.backup_directory).iterdir()) == []
