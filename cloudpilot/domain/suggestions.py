"""Sites that a server seems to have: what its last Check found, beside the sites that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloudpilot.domain.servers import Checkup
from cloudpilot.domain.sites import Site

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
