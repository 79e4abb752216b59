"""The first page, how everything stands, and the list of all sites, the worst first."""

from typing import Any, Unpack
from uuid import UUID

from flask import Blueprint, render_template, request
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading
from cloudpilot.domain import (
    checkups,
    cloud_checks,
    failures,
    forecast,
    history,
    overdue,
    overview,
    panel_exports,
    presence,
    protection,
    recovery,
    scheduled,
    under_way,
    vault_checks,
)
from cloudpilot.domain.people import Right
from cloudpilot.domain.protection import FRESH_FOR, Around, Standing
from cloudpilot.web import pictures
from cloudpilot.web.access import me, needs
from cloudpilot.web.paging import PAGE, page_number
from cloudpilot.web.runs import fingerprint
from cloudpilot.web.verdict import Counts, Verdict, verdict

bp = Blueprint("overview", __name__)

FAILURES_SHOWN = 5
FAILURES_COUNTED = 100
MISSING_COUNTED = 1000
DELETIONS_COUNTED = 100
SITES_SHOWN = 12
STORES_SHOWN = 6
SEARCH_LENGTH = 100


@bp.get("/")
@needs(Right.VIEW)
def show() -> str:
    """The panel at a glance."""
    with reading() as session:
        runs, active = under_way.newest(session, under_way.SHOWN_BRIEFLY)
        known = protection.around(session)
        standings = protection.standings(session, known=known)
        context = _attention(session, standings) | {
            "sites": _rows(session, standings[:SITES_SHOWN], known),
            "stores": history.stores(session, limit=STORES_SHOWN),
            "calendar": pictures.of_panel(session) if standings else None,
            "servers": [] if standings else overview.server_rows(session, limit=1),
            "recovery": _recovery(session) if me().may(Right.RECOVERY) else None,
        }
    context |= {"runs": runs, "active": active, "state": fingerprint(runs, active)}
    return render_template("overview.html", **context, briefly=True)


@bp.get("/sites")
@needs(Right.VIEW)
def sites() -> str:
    """All sites, or those that are looked for, a page at a time."""
    search = request.args.get("q", "").strip()[:SEARCH_LENGTH]
    wanted = request.args.get("state", "")
    number = page_number(request.args.get("page"))
    with reading() as session:
        known = protection.around(session)
        standings = protection.standings(session, search, known)
        found = [one for one in standings if wanted in {"", one.state}]
        rows = _rows(session, found[PAGE * (number - 1) : PAGE * number], known)
    return render_template(
        "overview/sites.html",
        sites=rows,
        numbers=protection.numbers(standings),
        total=len(found),
        number=number,
        more=len(found) > PAGE * number,
        search=search,
        wanted=wanted,
    )


def _recovery(session: Session) -> str | None:
    """What an owner should know of the panel's own backup: that there is no key for it, or that it
    is late."""
    key = recovery.current(session)
    if key is None:
        return "no key"
    return "late" if panel_exports.is_any_late(session, key) else None


def _rows(session: Session, standings: list[Standing], known: Around) -> list[overview.SiteRow]:
    ids = [standing.site_id for standing in standings]
    return overview.site_rows(session, site_ids=ids, known=known, limit=len(ids)) if ids else []


def _attention(session: Session, standings: list[Standing]) -> dict[str, Any]:
    """What somebody should look at, and the sentence that says so."""
    troubles = overview.troubles(session)
    worse = _worse(session, {trouble.server.id for trouble in troubles})
    failed = failures.not_made_good(session, FAILURES_COUNTED)
    not_offsite = failures.not_offsite(session, FAILURES_COUNTED)
    missing = presence.missing(session, MISSING_COUNTED)
    unreached = [trouble for trouble in troubles if trouble.is_unreached]
    of_vaults, of_clouds = vault_checks.troubles(session), cloud_checks.troubles(session)
    late, late_rows = scheduled.late(session)
    ahead = scheduled.doubted(session)
    waiting = overdue.deletions(session, DELETIONS_COUNTED)
    return {
        "failed": failed,
        "not_offsite": not_offsite,
        "missing": missing,
        "shown": FAILURES_SHOWN,
        "troubles": troubles,
        "worse": worse,
        "of_vaults": of_vaults,
        "of_clouds": of_clouds,
        "overdue": waiting,
        "late": late,
        "ahead": ahead,
        "late_rows": late_rows,
        "numbers": protection.numbers(standings),
        "total": len(standings),
        "verdict": _verdict(
            standings,
            failed=sum(1 for backup in failed if not backup.site_id),
            missing=len(missing),
            not_offsite=len(not_offsite),
            unreached=len(unreached),
            unchecked=len(troubles) - len(unreached),
            worse=len({one.server.id for one in worse}),
            vaults=len(of_vaults),
            clouds=len(of_clouds),
            late=late,
            ahead=sum(1 for row in ahead if row.will_fail),
            overdue=len(waiting),
        ),
    }


def _worse(session: Session, silent: set[UUID]) -> list[checkups.Worsening]:
    """Without servers that do not answer, and the next backups, which have a list of their own."""
    found = checkups.worsened(session, clock.now() - checkups.SINCE_YESTERDAY)
    return [
        one for one in found if one.server.id not in silent and not one.key.startswith(forecast.KEY)
    ]


def _verdict(standings: list[Standing], **counts: Unpack[Counts]) -> Verdict:
    begin = clock.now() - FRESH_FOR
    fresh = sum(1 for one in standings if one.is_sound and one.good_at and one.good_at > begin)
    return verdict(protection.numbers(standings), fresh, **counts)
