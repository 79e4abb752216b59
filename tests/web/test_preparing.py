"""What people do with a server's rights, keys and end, on its pages."""

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import reading, transaction
from cloudpilot.domain.servers import Server
from cloudpilot.kinds import Privilege, Role, RunKind
from tests.web.conftest import Browser
from tests.web.scenes import FINGERPRINT, OTHER_FINGERPRINT
from tests.web.test_actions import SERVER, row, runs_of
from tests.web.test_pages import build

GONE = "key=gone rule=gone tar=gone directories=gone user=gone"


@pytest.fixture
def server_id(app: Flask) -> UUID:
    return build(app, "little")["server"]


@pytest.fixture
def path(server_id: UUID) -> str:
    return f"/servers/{server_id}"


def change(app: Flask, server_id: UUID, **columns: object) -> None:
    with app.app_context(), transaction() as session:
        for column, value in columns.items():
            setattr(session.get_one(Server, server_id), column, value)


def test_a_level_is_chosen_when_a_server_is_added(app: Flask, owner: Browser) -> None:
    page = owner.get("/servers/new")
    assert page.one("input", value="plain").attrs["type"] == "radio"
    assert "owns this server" in page.text
    where = owner.post("/servers/new", **SERVER, privilege="full").answer.location
    assert row(app, Server, UUID(where.rsplit("/", 1)[1])).privilege is Privilege.FULL
    assert " full cloudpilot " in owner.get(where).one("textarea", id="setup-command").text
    owner.post("/servers/new", 422, **SERVER, privilege="everything")


def test_what_the_server_says_of_its_level_counts(app: Flask, owner: Browser) -> None:
    server_id = build(app, "new server")["server"]
    line = f"cloudpilot-ready {server_id} read-all {FINGERPRINT}"
    answer = owner.post(f"/servers/{server_id}/approve", host_keys=line, wished="plain").answer
    assert answer.location == f"/servers/{server_id}?wished=plain"
    assert row(app, Server, server_id).privilege is Privilege.READ_ALL
    assert "not for “Only what its user may read”" in owner.get(answer.location).text
    answer = owner.post(f"/servers/{server_id}/approve", host_keys=line, wished="read-all").answer
    assert answer.location == f"/servers/{server_id}"


def test_a_line_of_another_server_is_refused(app: Flask, owner: Browser) -> None:
    server_id = build(app, "new server")["server"]
    line = f"cloudpilot-ready {UUID(int=7)} plain {FINGERPRINT}"
    page = owner.post(f"/servers/{server_id}/approve", 422, host_keys=line)
    assert "of another server" in page.text
    assert not row(app, Server, server_id).is_ready


def test_another_level_is_another_command(owner: Browser, path: str) -> None:
    page = owner.get(f"{path}/privilege?privilege=read-all")
    assert " read-all cloudpilot " in page.one("textarea", id="setup-command").text
    assert page.one("input", name="wished").attrs["value"] == "read-all"
    assert " plain cloudpilot " in owner.get(f"{path}/privilege?privilege=<b>").text


def test_a_new_ssh_key_is_a_run(app: Flask, owner: Browser, path: str) -> None:
    assert "New SSH key" in owner.get(path).buttons
    where = owner.post(f"{path}/ssh-key").answer.location
    [run] = runs_of(app, RunKind.ROTATE)
    assert where == f"/runs/{run.id}"
    assert "Stop" not in owner.get(where).buttons
    assert "INVALID_STATE" in owner.post(f"{where}/stop", 409).text
    assert "New SSH key" not in owner.get(path).buttons
    assert "BACKUP_IN_PROGRESS" in owner.post(f"{path}/ssh-key", 409).text


def test_a_new_host_key_is_announced_and_called_off(
    app: Flask, owner: Browser, path: str, server_id: UUID
) -> None:
    same = owner.post(f"{path}/host-key", 422, expected=FINGERPRINT)
    assert "the keys that it has now" in same.text
    assert owner.post(f"{path}/host-key", 422, expected="x").one("textarea").text == "x"
    owner.post(f"{path}/host-key", expected=f"256 {OTHER_FINGERPRINT} root@web-1 (ED25519)")
    server = row(app, Server, server_id)
    assert (server.host_keys, server.expected_host_keys) == ([FINGERPRINT], [OTHER_FINGERPRINT])
    assert "Call it off" in owner.get(path).buttons
    owner.post(f"{path}/host-key/cancel")
    assert row(app, Server, server_id).expected_host_keys == []


def test_a_server_without_a_host_key_has_none_to_change(app: Flask, owner: Browser) -> None:
    server_id = build(app, "new server")["server"]
    page = owner.post(f"/servers/{server_id}/host-key", 409, expected=FINGERPRINT)
    assert "INVALID_STATE" in page.text


def test_the_end_of_backups_takes_the_server_s_name(app: Flask, owner: Browser, path: str) -> None:
    page = owner.get(f"{path}/uninstall")
    assert {"Keep the archives", "Delete 1 backup"} <= page.buttons
    assert not page.all("textarea")
    assert "INVALID_CONFIG" in owner.post(f"{path}/uninstall/backups", 422, typed="web").text
    owner.post(f"{path}/uninstall/backups", typed="web-1")
    assert len(runs_of(app, RunKind.DELETE)) == 1
    page = owner.get(f"{path}/uninstall")
    assert "1 backup still to be deleted" in page.text
    assert "every 2s" in owner.get(f"{path}/uninstall/left").text


def test_what_restores_keep_is_told_before_the_panel_goes(app: Flask, owner: Browser) -> None:
    found = build(app, "restored")
    restore_id, path = found["restore"], f"/servers/{found['server']}"
    for page in (owner.get(f"{path}/uninstall?archives=keep"), owner.get(f"{path}/remove")):
        assert "Of 1 restore what was there before is kept here." in page.text
        assert f".cloudpilot-restore-{restore_id}" in page.text
        assert page.all("a", href=f"/restores/{restore_id}")
    kept = owner.get(f"{path}/uninstall?archives=keep")
    assert kept.all("textarea", id="removing-command")  # it is a warning: who wants to goes on
    line = f"cloudpilot-removed {found['server']} {GONE}"
    owner.post(f"{path}/uninstall/proof", removed=line, archives="keep")


def test_the_panel_stays_while_a_restore_is_at_work(app: Flask, owner: Browser) -> None:
    found = build(app, "restoring")
    change(app, found["server"], privilege=Privilege.FULL)
    path = f"/servers/{found['server']}/uninstall"
    page = owner.get(f"{path}?archives=keep")
    assert "A restore is under way here." in page.text
    assert page.all("a", href=f"/restores/{found['restore']}")
    assert not page.all("textarea")
    line = f"cloudpilot-removed {found['server']} {GONE}"
    for name, fields in (
        ("proof", {"removed": line}),
        ("now", {}),
        ("backups", {"typed": "web-1"}),
    ):
        answer = owner.post(f"{path}/{name}", 409, archives="keep", **fields)
        assert "RESTORE_IN_PROGRESS" in answer.text
    assert runs_of(app, RunKind.UNINSTALL) == []


def test_kept_archives_are_named_to_the_command(app: Flask, owner: Browser, path: str) -> None:
    page = owner.get(f"{path}/uninstall?archives=keep")
    assert " keep " in page.one("textarea", id="removing-command").text
    line = f"cloudpilot-removed {path.rsplit('/', 1)[1]} {GONE}"
    other = f"cloudpilot-removed {UUID(int=7)} {GONE}"
    for wrong in ("x", other, line.replace("key=gone", "key=kept")):
        owner.post(f"{path}/uninstall/proof", 409 if "kept" in wrong else 422, removed=wrong)
    owner.post(f"{path}/uninstall/proof", 409, removed=line)  # nobody said that they stay
    where = owner.post(f"{path}/uninstall/proof", removed=line, archives="keep").answer.location
    [run] = runs_of(app, RunKind.UNINSTALL)
    assert where == f"/runs/{run.id}"
    assert run.options["keep"] is True
    assert row(app, Server, run.server_id).removed_at is None  # that is the run's to say


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("taken off", ["Gone", "Gone", "Gone", "Kept", "Gone"]),
        ("taken off, word lost", ["Gone", *["Not heard"] * 4]),
    ],
)
def test_what_of_the_panel_is_gone_is_said_thing_by_thing(
    app: Flask, owner: Browser, name: str, said: list[str]
) -> None:
    page = owner.get(f"/runs/{build(app, name)['run']}")
    shown = [element.text for element in page.all("dd")]
    assert [text for text in shown if text in {"Gone", "Kept", "Not heard"}] == said
    assert ("looked for each anew" in page.text) == ("Kept" in said)


def test_the_panel_does_it_itself_only_where_it_may(
    app: Flask, owner: Browser, path: str, server_id: UUID
) -> None:
    keeping = f"{path}/uninstall?archives=keep"
    assert "Do it for me" not in owner.get(keeping).buttons
    assert "INVALID_STATE" in owner.post(f"{path}/uninstall/now", 409, archives="keep").text
    change(app, server_id, privilege=Privilege.FULL)
    assert "Do it for me" in owner.get(keeping).buttons
    owner.post(f"{path}/uninstall/now", archives="keep")
    assert "said" not in runs_of(app, RunKind.UNINSTALL)[0].options


def test_members_see_no_way_to_change_any_of_it(
    sign_in: Callable[[Role], Browser], path: str
) -> None:
    member = sign_in(Role.MEMBER)
    page = member.get(path)
    assert not {"New SSH key", "Remove", "Call it off"} & page.buttons
    assert "will get a new host key" not in page.text
    for where in ("/privilege", "/uninstall", "/host-key"):
        member.get(f"{path}{where}", 403)


def test_an_address_changes_only_with_a_word(
    app: Flask, owner: Browser, path: str, server_id: UUID
) -> None:
    moved = SERVER | {"host": "10.0.0.7"}
    assert "same machine" in owner.post(f"{path}/edit", 422, **moved).text
    with app.app_context(), reading() as session:
        assert session.get_one(Server, server_id).host == "web-1.example.com"
    owner.post(f"{path}/edit", **moved, same_machine="y")
    server = row(app, Server, server_id)
    assert (server.host, server.host_keys) == ("10.0.0.7", [FINGERPRINT])
    assert (
        "BACKUP_IN_PROGRESS"
        in owner.post(f"{path}/edit", 409, **(moved | {"port": "2223"}), same_machine="y").text
    )  # a Check is to be made there
