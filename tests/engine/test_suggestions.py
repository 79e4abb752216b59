"""engine.suggestions: folders that look like sites, as the server has named them."""

import pytest

from cloudpilot.engine.suggestions import AT_MOST, name_of, sites


def row(path: str, kind: str = "folder", access: str = "open", name: str = "") -> str:
    return "\t".join((kind, access, name, path))


@pytest.mark.parametrize(
    ("said", "path", "name"),
    [
        ("shop.example.com", "/srv/x", "shop.example.com"),
        ("www.shop.com", "/srv/x", "shop.com"),
        ("*.shop.com", "/srv/x", "shop.com"),
        ("https://blog.org:8443", "/srv/x", "blog.org"),
        ('"quoted.org"', "/srv/x", "quoted.org"),
        ("_", "/var/www/blog/public_html", "blog"),
        ("localhost", "/srv/wiki", "wiki"),
        ("", "/var/www/html", "html"),
        ("", "/srv", "srv"),
        (":80", "/home/anna/public_html", "anna"),
    ],
)
def test_a_site_is_called_as_its_web_server_or_its_folder_is(
    said: str, path: str, name: str
) -> None:
    assert name_of(said, path) == name


def test_a_folder_that_only_holds_other_sites_is_none() -> None:
    seen = [row("/srv"), row("/srv/a"), row("/srv/b", "wordpress"), row("/srv/b/c", "node")]
    assert [one["path"] for one in sites(seen, sees_all=False)] == [
        "/srv/a",
        "/srv/b",
        "/srv/b/c",
    ]


@pytest.mark.parametrize(
    ("access", "sees_all", "readable"),
    [("open", False, True), ("closed", False, False), ("hidden", False, False),
     ("closed", True, True), ("hidden", True, True)],
)  # fmt: skip
def test_whether_we_may_read_it_depends_on_what_we_are(
    access: str, sees_all: bool, readable: bool
) -> None:
    [one] = sites([row("/srv/a", access=access)], sees_all=sees_all)
    assert one["readable"] is readable


@pytest.mark.parametrize(
    "odd",
    ["", "folder", "folder\topen\tname", row("relative"), row("/a", kind="virus"),
     row("/srv/\\xff"), row("/srv/" + "x" * 900)],
)  # fmt: skip
def test_what_cannot_be_a_folder_is_passed_over(odd: str) -> None:
    assert sites([odd], sees_all=True) == []


def test_a_path_may_hold_a_tab_and_is_named_once() -> None:
    [one] = sites([row("/srv/a\tb", name="x.org"), row("/srv/a\tb")], sees_all=False)
    assert (one["path"], one["name"]) == ("/srv/a\tb", "x.org")


def test_there_are_never_too_many() -> None:
    assert len(sites([row(f"/srv/{n}") for n in range(99)], sees_all=False)) == AT_MOST
