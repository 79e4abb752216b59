"""engine.ssh and engine.connecting against a real sshd."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import paramiko
import pytest

from cloudpilot.engine import unreached
from cloudpilot.engine.address import Address
from cloudpilot.engine.connecting import connect
from cloudpilot.engine.keypair import new_key
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import (
    CommandFailed,
    DiskFull,
    HostKeyChanged,
    HostKeyUnknown,
    SshAuthFailed,
    SshUnreachable,
    ToolMissing,
)
from cloudpilot.secrets import Secret
from tests.support.sshd import Sshd, private_sshd
from tests.support.until import until

OTHER_KEY = "SHA256:" + "A" * 43


class Text(Program):
    """A program of a test's own."""

    def text(self) -> bytes:
        return self.name.encode()


def test_a_program_answers_and_its_exit_status_has_a_meaning(session: Session) -> None:
    assert session.run(Text("printf %s hello")) == b"hello"
    with pytest.raises(DiskFull, match=r"^2 GiB needed\.$"):
        session.run(Text("echo noise >&2; echo '2 GiB needed.' >&2; exit 71"))
    with pytest.raises(CommandFailed, match="exit status 3"):
        session.run(Text("exit 3"))
    with pytest.raises(ToolMissing):
        session.run(Text("no-such-command"))
    assert session.alive


def test_megabytes_of_errors_do_not_block_the_output(session: Session) -> None:
    noisy = "yes 'some error' | head -c 5000000 >&2; echo done"
    assert session.run(Text(noisy)) == b"done\n"


def test_an_endless_answer_is_refused(session: Session) -> None:
    with pytest.raises(CommandFailed, match="longer than 1 MiB"):
        session.run(Text("yes | head -c 3000000"))


def test_threads_take_turns_on_one_session(session: Session) -> None:
    numbers = [str(number) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: session.run(Text(f"echo {number}")), numbers)
    assert [answer.decode().strip() for answer in answers] == numbers


def test_silence_ends_the_session_in_time(server: Sshd) -> None:
    with server.session() as session:
        began = time.monotonic()
        with pytest.raises(SshUnreachable, match="did not answer in time"):
            session.run(Text("exec sleep 30"), timeout=0.3)
        assert time.monotonic() - began < 3
        assert not session.alive
        with pytest.raises(SshUnreachable):
            session.run(Text("true"))


def test_an_idle_session_sleeps_and_is_closed_at_once(server: Sshd) -> None:
    """It does not wake up ten times a second to see whether it was closed: closing wakes it."""
    session = server.session()
    assert session.run(Text("true")) == b""
    assert session._transport.sock.gettimeout() > 10
    session.close()
    until(session._transport.is_alive, lambda alive: not alive, seconds=10)


def test_a_connection_that_breaks_is_unreachable(server: Sshd) -> None:
    with server.session() as session:
        breaker = Thread(target=lambda: until(session._turn.locked, bool) and cut(session))
        breaker.start()
        with pytest.raises(SshUnreachable):
            session.run(Text("exec sleep 30"))
        breaker.join()


def cut(session: Session) -> None:
    session._transport.sock.shutdown(socket.SHUT_RDWR)


def test_a_changed_host_key_stops_us_before_we_log_in(server: Sshd) -> None:
    impostor = replace(server.address, host_keys=(OTHER_KEY,))
    with pytest.raises(HostKeyChanged, match=f"approved was {OTHER_KEY}") as raised:
        connect(impostor, Secret("no key at all"))  # which nobody has come to read
    assert raised.value.offered == server.fingerprint


def test_an_unknown_host_key_is_offered(server: Sshd) -> None:
    with pytest.raises(HostKeyUnknown, match="nobody has approved") as raised:
        connect(replace(server.address, host_keys=()), Secret("no key at all"))
    assert type(raised.value) is HostKeyUnknown
    assert raised.value.offered == server.fingerprint


def test_any_of_several_approved_keys_will_do(server: Sshd) -> None:
    known = replace(server.address, host_keys=(OTHER_KEY, server.fingerprint))
    with connect(known, server.private_key) as session:
        assert session.alive


@pytest.mark.parametrize("key", [new_key("other")[0], Secret("not a key")])
def test_a_wrong_key_is_not_accepted(server: Sshd, key: Secret) -> None:
    with pytest.raises(SshAuthFailed):
        connect(server.address, key)


def test_an_unknown_user_is_not_accepted(server: Sshd) -> None:
    with pytest.raises(SshAuthFailed, match="does not accept the panel's key for nobody-here"):
        connect(replace(server.address, username="nobody-here"), server.private_key)


def test_a_server_that_asks_for_more_than_a_key_is_not_entered(tmp_path: Path) -> None:
    with private_sshd(tmp_path) as sshd:
        with (tmp_path / "config").open("a") as config:
            config.write("\nAuthenticationMethods publickey,publickey\n")
        sshd.stop()
        sshd.start()
        with pytest.raises(SshAuthFailed, match="more than a key"):
            sshd.session()


def test_nobody_is_there(server: Sshd) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for host in ("127.0.0.1", "no-such-host.invalid", "a" * 300):
            address = Address(host, port, "cloudpilot", (OTHER_KEY,))
            with pytest.raises(SshUnreachable) as raised:
                connect(address, server.private_key)
            assert raised.value.transient


@pytest.mark.parametrize("banner", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_is_there(banner: bytes) -> None:
    with listener(banner) as port:
        began = time.monotonic()
        with pytest.raises(SshUnreachable):
            connect(Address("127.0.0.1", port, "x", ()), Secret("key"), timeout=0.5)
        assert time.monotonic() - began < 5


def test_a_server_that_comes_back_with_another_key(tmp_path: Path) -> None:
    with private_sshd(tmp_path) as sshd:
        before = sshd.address
        sshd.session().close()
        sshd.rekey()
        with pytest.raises(HostKeyChanged) as raised:
            connect(before, sshd.private_key)
        assert raised.value.offered == sshd.fingerprint
        sshd.stop()
        with pytest.raises(SshUnreachable):
            sshd.session()
        sshd.start()
        sshd.session().close()


def test_a_new_key_is_one_that_openssh_reads(tmp_path: Path) -> None:
    private, public = new_key("cloudpilot-1")
    assert private.reveal().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert public.startswith("ssh-ed25519 AAAA")
    assert public.endswith(" cloudpilot-1")
    assert private.reveal() not in repr((private, public))


@contextmanager
def listener(banner: bytes) -> Iterator[int]:
    """Accepts one connection, says `banner` and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            peer, _ = server.accept()
            held.append(peer)
            peer.sendall(banner)

        thread = Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        thread.join()
        for peer in held:
            peer.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (paramiko.SSHException("Invalid packet <peer's text>"), "could not be understood as SSH"),
        (paramiko.SSHException("No existing session"), "did not agree on how to talk in time"),
        (paramiko.SSHException("Timeout opening channel."), "did not open a session in time"),
        (EOFError("<peer's text>"), "it hung up"),
        (socket.gaierror(-2, "Name or service not known"), "its name was not found"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (OSError("<peer's text>"), "the connection broke"),
    ],
)
def test_what_a_peer_says_is_not_repeated(error: Exception, words: str) -> None:
    assert words in unreached.reason(error)
    assert "peer" not in unreached.reason(error)


def test_why_a_peer_opens_no_channel_is_said_in_words_of_ours() -> None:
    refused = paramiko.ChannelException(2, "<peer's text>")

    said = unreached.reason(refused, no_channel=True)

    assert "MaxSessions" in said
    assert "peer" not in said


def test_a_peer_that_speaks_something_else_is_not_quoted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as peer:
                peer.sendall(b"HTTP/1.1 400 secret-of-the-peer\r\n" * 200)

        speaker = Thread(target=answer)
        speaker.start()
        address = Address("127.0.0.1", listener.getsockname()[1], "backup", ())
        with pytest.raises(SshUnreachable) as raised:
            connect(address, Secret("no key"))
        speaker.join()
    assert "secret-of-the-peer" not in str(raised.value)
