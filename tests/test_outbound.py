"""Where the panel connects to, and where it never does."""

import socket
import time
from collections.abc import Iterator

import pytest

from cloudpilot import outbound
from cloudpilot.errors import AddressRefused
from tests.support.silent_dns import without_answers

NEVER = [
    "169.254.169.254",  # the metadata service of nearly every cloud
    "169.254.170.2",  # of ECS tasks
    "2852039166",  # 169.254.169.254 in other words, which the system's resolver understands
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fe80::1",
    "fe80::1%lo",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "64:ff9b:1::a9fe:a9fe",
    "::169.254.169.254",
    "2001:0:a9fe:a9fe::5601:5601",
    "100.100.100.200",
    "168.63.129.16",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "0.0.0.0",
    "0",
    "::",
    "224.0.0.1",
    "255.255.255.255",
    "ff02::1",
]


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of loopback that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("host", NEVER)
def test_metadata_and_link_local_are_refused_whatever_the_settings_say(
    host: str, private: bool, listening: int
) -> None:
    with pytest.raises(AddressRefused):
        outbound.connect(host, listening, 5, private=private)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "::ffff:127.0.0.1"])
def test_a_private_address_is_connected_to_where_that_is_allowed(host: str, listening: int) -> None:
    with outbound.connect(host, listening, 5) as connection:
        assert connection.getpeername()[1] == listening


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1",
     "::1", "::ffff:10.0.0.1", "2130706433"],
)  # fmt: skip
def test_a_panel_that_keeps_to_the_internet_refuses_private_addresses(
    host: str, listening: int
) -> None:
    with pytest.raises(AddressRefused, match="private"):
        outbound.connect(host, listening, 5, private=False)


def test_a_second_address_is_tried_when_the_first_is_not_answered(listening: int) -> None:
    """`localhost` is ::1 as well where the machine has IPv6; nothing listens there."""
    with outbound.connect("localhost", listening, 5) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_nobody_there_is_not_refused_but_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so nobody else can listen there; never listens
        with pytest.raises(ConnectionRefusedError):
            outbound.connect("127.0.0.1", taken.getsockname()[1], 5)


def test_a_name_that_nobody_knows_is_unreachable() -> None:
    with pytest.raises(OSError, match=r"\d"):
        outbound.connect("no-such-host.invalid", 22, 5)


def test_a_name_server_that_never_answers_costs_no_more_than_the_timeout() -> None:
    program = (
        "import time; from cloudpilot import outbound\n"
        "begun = time.monotonic()\n"
        "try: outbound.connect('web-1.example.com', 22, 0.5)\n"
        "except TimeoutError as error: print(error, time.monotonic() - begun)\n"
    )
    said = without_answers(program)
    *words, seconds = said.split()
    assert " ".join(words) == "the name web-1.example.com was not found in time"
    assert float(seconds) < 3


def test_a_server_that_accepts_nobody_costs_no_more_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:  # its queue is soon full; who comes after that is not answered
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            outbound.connect("127.0.0.1", port, 0.3)
        for one in waiting:
            one.close()
    assert time.monotonic() - begun < 2
