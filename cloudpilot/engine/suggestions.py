"""Folders on a server that look like somebody's site: what remote/probe.sh has seen, understood."""

from collections.abc import Sequence
from pathlib import PurePosixPath

AT_MOST = 50
ROW_AT_MOST = 900  # characters; a longer one may have been cut, and names another folder then
KINDS = frozenset(
    {
        "wordpress",
        "nextcloud",
        "drupal",
        "joomla",
        "laravel",
        "symfony",
        "rails",
        "django",
        "node",
        "folder",
    }
)
_NO_NAMES = {"", "_", "localhost", "default", "default_server", "$hostname", "http://", "https://"}
_COMMON = {
    "var",
    "srv",
    "home",
    "opt",
    "html",
    "htdocs",
    "httpdocs",
    "public_html",
    "public",
    "www",
    "web",
    "current",
    "site",
}


def sites(seen: Sequence[str], *, sees_all: bool) -> list[dict[str, str | bool]]:
    """Each as name, path, kind and readable, by path. What only holds others is left out.

    seen      KIND, ACCESS (open, closed, hidden), NAME and PATH, with tabs between
    sees_all  closed folders are readable for us all the same

    >>> sites(["wordpress\\topen\\tshop.example.com\\t/srv/shop"], sees_all=False)[0]["name"]
    'shop.example.com'
    """
    found: dict[str, dict[str, str | bool]] = {}
    for row in seen:
        kind, access, name, path = (*row.split("\t", 3), "", "", "")[:4]
        if kind not in KINDS or not _is_plain(path) or path in found or len(row) > ROW_AT_MOST:
            continue
        readable = access == "open" or (sees_all and access in {"closed", "hidden"})
        named = name_of(name, path)
        found[path] = {"name": named, "path": path, "kind": kind, "readable": readable}
    holding = {str(folder) for path in found for folder in PurePosixPath(path).parents}
    kept = [one for path, one in found.items() if one["kind"] != "folder" or path not in holding]
    return sorted(kept, key=lambda one: str(one["path"]))[:AT_MOST]


def _is_plain(path: str) -> bool:
    """A backslash may stand for a byte that no text can hold: the path would be another one."""
    return path.startswith("/") and "\\" not in path


def name_of(said: str, path: str) -> str:
    """What a site is probably called: as its web server calls it, else as its folder is called.

    >>> name_of("www.shop.com:443", "/srv/x"), name_of("_", "/var/www/blog/public_html")
    ('shop.com', 'blog')
    """
    name = said.strip("\"'").removeprefix("https://").removeprefix("http://").partition(":")[0]
    name = name.removeprefix("*.").removeprefix("www.")
    if name and said not in _NO_NAMES and name not in _NO_NAMES:
        return name[:100]
    parts = [part for part in path.split("/") if part]
    telling = [part for part in parts if part not in _COMMON]
    return (telling or parts)[-1][:100]
