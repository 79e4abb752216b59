"""What a site's patterns leave out, as the server has last counted it; pure but for one query."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain.runs import Run
from cloudpilot.domain.sites import Site
from cloudpilot.kinds import RunKind

# What names of folders often hold, by what can be made again.
_DISPENSABLE = (
    (("cache", "caches", ".cache", "*-cache", "*_cache", "tmp", "temp", ".tmp"), "a cache"),
    (("node_modules", "vendor", ".venv", "venv", "bower_components"), "installed packages"),
    (("log", "logs", "*.log"), "log files"),
    (("session", "sessions"), "sessions of visitors"),
    (("backup", "backups", "updraft", "ai1wm-backups", "*-backups"), "other backups"),
    (("__pycache__", ".next", ".nuxt", ".pytest_cache", ".mypy_cache"), "files that are built"),
)


def stamped(counted: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """The figures, with the paths and patterns that they are for."""
    return {**counted, "for": _asked(site)}


def is_stale(site: Site) -> bool:
    """Whether the site has been changed since it was counted."""
    return bool(site.preview) and (site.preview or {}).get("for") != _asked(site)


def looks_like(path: str) -> str:
    """What a folder probably holds, if that can be made again; nothing otherwise.

    >>> looks_like("/srv/shop/wp-content/cache"), looks_like("/srv/shop/uploads")
    ('a cache', '')
    """
    name = path.rsplit("/", 1)[-1].lower()
    return next(
        (
            meaning
            for patterns, meaning in _DISPENSABLE
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        ),
        "",
    )


def latest(session: Session, site: Site) -> Run | None:
    """The newest run that counts for this site."""
    rows = select(Run).where(
        Run.server_id == site.server_id,
        Run.kind == RunKind.PREVIEW,
        Run.claim == f"preview:site:{site.id}",
    )
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))


def _asked(site: Site) -> dict[str, list[str]]:
    return {"paths": list(site.paths), "excludes": list(site.excludes)}
