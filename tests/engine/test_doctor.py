"""The doctor on a machine that was really set up, at each level."""

from collections.abc import Iterator

import pytest

from cloudpilot.engine import facts
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Privilege
from tests.support.machine import Machine, machine

COPY = "/usr/local/lib/cloudpilot/tar"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        found.set_up()
        yield found


@pytest.fixture
def session(server: Machine) -> Iterator[Session]:
    with server.session() as opened:
        yield opened


def said(server: Machine, session: Session, level: Privilege) -> Line:
    found = facts.check(session, server.root, privilege=level)
    return next(line for line in found.lines if line.key == "privilege")


@pytest.mark.parametrize("level", Privilege)
def test_what_the_set_up_gives_is_what_the_doctor_finds(
    server: Machine, session: Session, level: Privilege
) -> None:
    server.set_up(level)
    line = said(server, session, level)
    assert line.level == "ok", line
    checkup = facts.check(session, server.root, privilege=level)
    assert [one for one in checkup.lines if one.level == "failed"] == []
    assert checkup.facts["alternative"] == server.root


@pytest.mark.parametrize(
    ("damage", "level", "words"),
    [
        (f"setcap -r {COPY}", "failed", "lost its permission"),
        (f"chmod 700 {COPY}", "failed", "may not run"),
        (f"rm {COPY}", "failed", "not there"),
        (
            f"cp -a {COPY} {COPY}.0; echo >>{COPY}; setcap cap_dac_read_search+ep {COPY}",
            "warning",
            "older tar",
        ),
    ],
)
def test_a_copy_of_tar_that_is_not_as_it_was_is_found(
    server: Machine, session: Session, damage: str, level: str, words: str
) -> None:
    server.set_up(Privilege.READ_ALL)
    server.as_root(damage)
    line = said(server, session, Privilege.READ_ALL)
    assert (line.level, words in line.detail) == (level, True), line


def test_sudo_that_refuses_is_found(server: Machine, session: Session) -> None:
    server.set_up(Privilege.FULL)
    server.as_root("rm /etc/sudoers.d/cloudpilot")
    assert said(server, session, Privilege.FULL).level == "failed"


@pytest.mark.parametrize("more", [Privilege.READ_ALL, Privilege.FULL])
def test_more_than_it_was_given_is_found(
    server: Machine, session: Session, more: Privilege
) -> None:
    server.set_up(more)
    line = said(server, session, Privilege.PLAIN)
    assert line.level == "warning", line
