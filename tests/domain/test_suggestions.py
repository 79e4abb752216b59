"""domain.suggestions and domain.previews: what was found and what was counted, beside the sites."""

import pytest
from flask import Flask

from cloudpilot.db import reading, transaction
from cloudpilot.domain import previews, requests, sites, suggestions
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.suggestions import EXCLUDES, LABELS
from cloudpilot.engine.suggestions import KINDS
from cloudpilot.errors import BackupInProgress, SshNotConfigured
from tests.support.rows import add_server, add_site


def found(path: str, kind: str = "folder") -> dict[str, object]:
    return {"name": path.rsplit("/", 1)[-1], "path": path, "kind": kind, "readable": True}


def site(*paths: str) -> Site:
    return Site(name="shop", paths=list(paths), excludes=["*.log"])


def test_what_no_site_covers_comes_first() -> None:
    checkup = Checkup(facts={"sites": [found("/a/b", "django"), found("/ab"), found("/c")]})
    offered = suggestions.of(checkup, [site("/a"), site("/x", "/c")])
    assert [(one.path, one.covered_by is not None) for one in offered] == [
        ("/ab", False),
        ("/a/b", True),
        ("/c", True),
    ]
    assert (offered[1].label, "__pycache__" in offered[1].excludes) == ("Django", True)
    assert (offered[0].label, offered[0].excludes) == ("", ())


def test_without_a_check_or_with_an_old_one_there_is_nothing() -> None:
    assert suggestions.of(None, []) == []
    assert suggestions.of(Checkup(facts={"trap": None}), []) == []


@pytest.mark.parametrize("kind", sorted(EXCLUDES))
def test_what_is_proposed_to_leave_out_may_be_left_out(kind: str) -> None:
    typed = "\n".join(EXCLUDES[kind])
    assert sites.valid_patterns(typed, ["/srv/shop"]) == list(EXCLUDES[kind])
    assert kind in LABELS


def test_each_kind_that_the_server_may_say_has_a_name() -> None:
    assert set(LABELS) | {"folder"} == KINDS


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ("/srv/shop/wp-content/cache", "a cache"),
        ("/srv/shop/node_modules", "installed packages"),
        ("/srv/shop/Logs", "log files"),
        ("/srv/shop/updraft", "other backups"),
        ("/srv/shop/sessions", "sessions of visitors"),
        ("/srv/shop/__pycache__", "files that are built"),
        ("/srv/shop/uploads", ""),
        ("/", ""),
    ],
)
def test_a_folder_that_can_be_made_again_is_named(path: str, meaning: str) -> None:
    assert previews.looks_like(path) == meaning


def test_figures_are_stale_once_the_site_has_changed() -> None:
    shop = site("/srv")
    assert not previews.is_stale(shop)
    shop.preview = previews.stamped({"kept": {}}, shop)
    assert not previews.is_stale(shop)
    shop.excludes = []
    assert previews.is_stale(shop)


def test_one_preview_of_a_site_at_a_time(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        shop, blog = add_site(session, server), add_site(session, server, "blog")
        run = requests.preview(session, shop, by=None)
        requests.preview(session, blog, by=None)
        with pytest.raises(BackupInProgress):
            requests.preview(session, shop, by=None)
    with reading() as session:
        newest = previews.latest(session, shop)
        assert newest
        assert newest.id == run.id


def test_a_server_that_is_not_set_up_counts_nothing(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session, host_keys=[])
        shop = add_site(session, server)
        with pytest.raises(SshNotConfigured):
            requests.preview(session, shop, by=None)
        assert session.get(Server, server.id)
