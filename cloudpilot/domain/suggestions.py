"""Sites and their databases that a server seems to have: what its last Check found, beside what
the panel knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudpilot.domain.databases import Database
from cloudpilot.domain.servers import Checkup
from cloudpilot.domain.sites import Site
from cloudpilot.kinds import Engine

# What can be made again, by the kind of application; as exclude patterns of its folder.
EXCLUDES: Mapping[str, tuple[str, ...]] = {
    "wordpress": ("/wp-content/cache", "/wp-content/updraft", "/wp-content/ai1wm-backups"),
    "nextcloud": ("/data/*/cache", "/data/appdata_*/preview", "/data/*.log"),
    "drupal": ("/sites/*/files/css", "/sites/*/files/js", "/sites/*/files/php"),
    "joomla": ("/cache", "/administrator/cache", "/tmp", "/administrator/logs"),  # noqa: S108
    "laravel": ("node_modules", "/vendor", "/storage/logs", "/storage/framework/cache"),
    "symfony": ("node_modules", "/vendor", "/var/cache", "/var/log"),
    "rails": ("node_modules", "/log", "/tmp", "/vendor/bundle"),  # noqa: S108
    "django": ("__pycache__", ".venv", "venv", "node_modules"),
    "node": ("node_modules", ".next", ".cache"),
}
LABELS: Mapping[str, str] = {
    "wordpress": "WordPress",
    "nextcloud": "Nextcloud",
    "drupal": "Drupal",
    "joomla": "Joomla",
    "laravel": "Laravel",
    "symfony": "Symfony",
    "rails": "Rails",
    "django": "Django",
    "node": "Node.js",
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A folder that looks like a site.

    covered_by  the site that backs it up already
    """

    name: str
    path: str
    label: str  # "WordPress"; empty for a folder of no known kind
    readable: bool
    excludes: tuple[str, ...]
    covered_by: Site | None


def of(checkup: Checkup | None, sites: Sequence[Site]) -> list[Suggestion]:
    """What the Check found: first what no site covers, each part by path."""
    found = [_suggestion(one, sites) for one in (checkup.facts if checkup else {}).get("sites", ())]
    return sorted(found, key=lambda one: (one.covered_by is not None, one.path))


def _suggestion(found: Mapping[str, str], sites: Sequence[Site]) -> Suggestion:
    path = found["path"]
    return Suggestion(
        name=found["name"],
        path=path,
        label=LABELS.get(found["kind"], ""),
        readable=bool(found["readable"]),
        excludes=EXCLUDES.get(found["kind"], ()),
        covered_by=next((site for site in sites if _covers(site, path)), None),
    )


def _covers(site: Site, path: str) -> bool:
    return any(path == one or path.startswith(f"{one.rstrip('/')}/") for one in site.paths)


@dataclass(frozen=True, slots=True)
class Offer:
    """A database server that listens on the server itself.

    socket, port  one of them: "" or None is the other
    is_used       whether the site has databases of it already
    """

    engine: Engine
    version: str  # "" if not known
    socket: str
    port: int | None
    is_used: bool

    @property
    def where(self) -> str:
        """In words."""
        return self.socket or f"127.0.0.1:{self.port}"


def of_databases(checkup: Checkup | None, databases: Sequence[Database]) -> list[Offer]:
    """What the Check found: by its sockets, or by its ports where it has none."""
    used = {(database.engine.value, _bare(database.where)) for database in databases}
    return [
        _offer(one, where, used)
        for one in (checkup.facts if checkup else {}).get("databases", ())
        for where in _places(one)
        if one["engine"] in set(Engine)
    ]


def _places(found: Mapping[str, Any]) -> list[str]:
    # MySQL's X protocol has a socket and a port of its own, through which nothing is dumped.
    sockets = [path for path in found["sockets"] if "mysqlx" not in path]
    return sockets or [f"127.0.0.1:{port}" for port in found["ports"]]


def _offer(found: Mapping[str, Any], where: str, used: set[tuple[str, str]]) -> Offer:
    is_socket = where.startswith("/")
    return Offer(
        engine=Engine(found["engine"]),
        version=found["version"] or "",
        socket=where if is_socket else "",
        port=None if is_socket else int(where.rpartition(":")[2]),
        is_used=(found["engine"], _bare(where)) in used,
    )


def _bare(where: str) -> str:
    """
    >>> _bare("/run/postgresql/.s.PGSQL.5432")
    '/run/postgresql'
    """
    return where.removesuffix("/.s.PGSQL.5432")
