"""A program that stays: begun once, asked again and again, gone without harm."""

from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.program import Program, question, source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed, DiskFull, InvalidConfig, SshUnreachable, ToolMissing
from tests.engine.test_program import words
from tests.support.sshd import Sshd, private_sshd
from tests.support.until import until


class Answers(Program):
    """Does with each question what its name says, in bash."""

    def text(self) -> bytes:
        return source("answer.sh") + f"f() {{\n{self.name}\n}}\nanswer f; exit\n".encode()


class Text(Program):
    """A program of a test's own."""

    def text(self) -> bytes:
        return self.name.encode()


def answers(body: str) -> Program:
    return Answers(body, stays=True)


ITSELF = answers("echo $$")  # the number of the process that stays
ECHO = answers('for word; do printf %s "$word" | base64 -w 0; echo; done')
DOES = answers('eval "$1"')


def test_it_is_begun_once(session: Session) -> None:
    assert len({session.ask(ITSELF, ()) for _ in range(5)}) == 1


def test_another_one_takes_its_place(session: Session) -> None:
    first = session.ask(ITSELF, ())
    assert session.ask(DOES, ("echo yes",)) == b"yes\n"
    assert session.ask(ITSELF, ()) != first
    until(lambda: Path(f"/proc/{int(first)}").exists(), lambda there: not there)


@given(st.lists(words, max_size=4))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_word_arrives_as_it_is(session: Session, given_words: list[str]) -> None:
    answer = session.ask(ECHO, tuple(given_words)).decode()
    assert [b64decode(line).decode() for line in answer.split("\n")[:-1]] == given_words


def test_a_nul_is_refused(session: Session) -> None:
    with pytest.raises(InvalidConfig):
        session.ask(ECHO, ("a\0b",))
    assert session.ask(ECHO, ("a",)) == b"YQ==\n"


def test_a_failure_is_of_one_question(session: Session) -> None:
    first = session.ask(DOES, ("echo $$",))
    with pytest.raises(DiskFull, match=r"^2 GiB needed\.$"):
        session.ask(DOES, ("echo half; echo noise >&2; echo '2 GiB needed.' >&2; exit 71",))
    assert session.ask(DOES, ("echo words of nobody >&2; echo $$",)) == first


def test_what_it_reads_is_no_question(session: Session) -> None:
    assert session.ask(DOES, ("cat; echo done",)) == b"done\n"


def test_an_endless_answer_is_refused_and_the_next_one_is_whole(session: Session) -> None:
    with pytest.raises(CommandFailed, match="longer than 1 MiB"):
        session.ask(DOES, ("yes | head -c 3000000",))
    assert session.ask(DOES, ("echo yes",)) == b"yes\n"


def test_one_that_nobody_asks_ends_and_the_next_question_begins_another(
    session: Session,
) -> None:
    class Hasty(Answers):
        def text(self) -> bytes:
            return super().text().replace(b"-t 120", b"-t 0.1")

    hasty = Hasty("echo $$", stays=True)
    first = session.ask(hasty, ())
    until(lambda: Path(f"/proc/{int(first)}").exists(), lambda there: not there)
    until(lambda: session._staying and session._staying.is_there(hasty), lambda there: not there)
    assert session.ask(hasty, ()) != first
    assert session.alive


def test_one_that_is_killed_ends_the_session(server: Sshd) -> None:
    with server.session() as session, pytest.raises(SshUnreachable):
        session.ask(DOES, ("kill -9 $$",))
    assert not session.alive


def test_an_answer_that_is_killed_ends_the_session(server: Sshd) -> None:
    with server.session() as session, pytest.raises(SshUnreachable):
        session.ask(DOES, ("echo half; kill -9 $BASHPID",))
    assert not session.alive


def test_who_speaks_in_one_stream_is_not_understood(server: Sshd) -> None:
    merged = Text("exec 2>&1\n" + DOES.text().decode(), stays=True)
    with server.session() as session, pytest.raises(SshUnreachable):
        session.ask(merged, ("echo yes",), timeout=0.5)
    assert not session.alive


def test_silence_ends_the_session(server: Sshd) -> None:
    with server.session() as session, pytest.raises(SshUnreachable, match="in time"):
        session.ask(DOES, ("exec sleep 30",), timeout=0.3)
    assert not session.alive


def test_what_cannot_begin_says_why(session: Session) -> None:
    with pytest.raises(ToolMissing):
        session.ask(Text("echo no bash >&2; exit 127\n", stays=True), ())
    assert session.ask(ITSELF, ())


def test_a_question_that_is_cut_off_is_not_answered(session: Session, tmp_path: Path) -> None:
    whole = question("token", (f"touch {tmp_path}/$1", "x"))
    for size in range(len(whole)):
        with session._transport.open_session() as channel:
            channel.exec_command("bash -s")
            channel.sendall(DOES.text() + whole[:size])
            channel.shutdown_write()
            assert channel.recv_exit_status() == 0
    assert not list(tmp_path.iterdir())


def test_it_gives_way_where_one_session_is_all_that_is_let_in(tmp_path: Path) -> None:
    with private_sshd(tmp_path, limits="MaxSessions 1") as sshd, sshd.session() as session:
        for _ in range(3):
            first = session.ask(ITSELF, ())
            assert session.run(Text("echo yes")) == b"yes\n"
            assert session.ask(ITSELF, ()) != first


def test_the_end_of_the_session_is_its_end(server: Sshd) -> None:
    with server.session() as session:
        first = int(session.ask(ITSELF, ()))
    until(lambda: Path(f"/proc/{first}").exists(), lambda there: not there)


def test_a_look_does_not_hinder_what_is_run_meanwhile(session: Session, place: Place) -> None:
    assert detached.look(session, place).never_started
    assert session.run(Text("echo yes")) == b"yes\n"
    assert detached.look(session, place).never_started
