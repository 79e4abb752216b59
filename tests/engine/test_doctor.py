"""The doctor on a machine that was really set up, at each level."""

from collections.abc import Iterator

import pytest

from cloudpilot.engine import facts
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Privilege
from tests.support.machine import Machine, machine

COPY = "/usr/local/lib/cloudpilot/tar"

# Web servers' settings as people write them, and what lies where they point to.
SITES = """
mkdir -p /home/{shop/app/public,blog,wiki/public_html,caddy/www,anna/htdocs/one,empty}
mkdir -p /etc/nginx/sites-enabled /etc/apache2/sites-enabled /etc/caddy
touch /home/shop/app/artisan /home/blog/wp-config.php /home/anna/htdocs/one/package.json
cat >/etc/nginx/sites-enabled/all <<'CONF'
# server { root /home/commented; }
server {
    root /home/shop/app/public; server_name ignored.example.com;
    server_name shop.example.com www.shop.example.com;
}
server
{
    server_name blog.example.com;
    root "/home/blog";
    location / { root $somewhere; }
}
CONF
cat >/etc/apache2/sites-enabled/wiki.conf <<'CONF'
<VirtualHost *:80>
  ServerName wiki.example.com
  DocumentRoot /home/wiki/public_html
</VirtualHost>
CONF
cat >/etc/caddy/Caddyfile <<'CONF'
{
  email me@example.com
}
caddy.example.com, www.caddy.example.com {
  handle /x* {
    respond 404
  }
  root * /home/caddy/www
}
CONF
chmod 711 /home/shop /home/anna /home/caddy /home/wiki
chmod 700 /home/blog
"""


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


def test_a_place_in_memory_is_a_trap_and_no_better_place(server: Machine) -> None:
    with server.session() as session:
        found = facts.check(session, server.root)
    assert "is in memory" in found.facts["trap"]
    assert (found.facts["root"], found.facts["alternative"]) == (server.root, None)


def test_a_place_on_a_disk_is_a_better_one(server: Machine) -> None:
    disk = server.sshd.home / "disk"
    disk.mkdir()
    server.as_root(f"mount --bind {disk} /var/backups")
    try:
        server.set_up()
        with server.session() as session:
            found = facts.check(session, "/dev/shm/backups")
    finally:
        server.as_root("umount -l /var/backups")
    assert "is in memory" in found.facts["trap"]
    assert found.facts["alternative"] == server.root


@pytest.mark.parametrize(
    ("damage", "level", "words"),
    [
        (f"setcap -r {COPY}", "failed", "lost its permission"),
        (f"chmod 700 {COPY}", "failed", "may not run"),
        (
            f"printf '#!/bin/sh\\necho all is well\\n' >{COPY}; chmod 755 {COPY}",
            "failed",
            "lost its permission",
        ),
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


def test_a_rule_of_sudo_that_cannot_be_seen_is_not_ruled_out(
    server: Machine, session: Session
) -> None:
    server.set_up(Privilege.PLAIN)
    server.as_root("chmod 750 /etc/sudoers.d")
    try:
        assert "is not known" in said(server, session, Privilege.PLAIN).detail
    finally:
        server.as_root("chmod 755 /etc/sudoers.d")
    assert "is not known" not in said(server, session, Privilege.PLAIN).detail


def test_sites_are_found_where_web_servers_say(server: Machine, session: Session) -> None:
    server.as_root(SITES)
    server.set_up(Privilege.PLAIN)
    found = facts.check(session, server.root).facts["sites"]
    ours = {one["path"]: one for one in found if str(one["path"]).startswith("/home/")}
    assert {path: (one["name"], one["kind"]) for path, one in ours.items()} == {
        "/home/shop/app": ("shop.example.com", "laravel"),
        "/home/blog": ("blog.example.com", "folder"),  # closed: nobody can see what it is
        "/home/wiki/public_html": ("wiki.example.com", "folder"),
        "/home/caddy/www": ("caddy.example.com", "folder"),
        "/home/anna/htdocs/one": ("one", "node"),
    }
    assert [path for path, one in ours.items() if not one["readable"]] == ["/home/blog"]
    more = facts.check(session, server.root, privilege=Privilege.READ_ALL).facts["sites"]
    assert all(one["readable"] for one in more)
