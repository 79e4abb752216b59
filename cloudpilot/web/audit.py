"""The audit log: who did what to what, when, from where; as a page and as a file."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, stream_with_context
from werkzeug.datastructures import MultiDict

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import people, trail
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.cursor import Cursor, number
from cloudpilot.domain.people import Right
from cloudpilot.domain.trail import GROUPS, Wanted, valid_group
from cloudpilot.errors import InvalidConfig
from cloudpilot.web.access import needs, note

bp = Blueprint("audit", __name__, url_prefix="/audit")

ROWS_AT_ONCE = 500  # of an export: what is in memory
# What the log can be narrowed by: the name in the URL, the field, how it is read.
FILTERS = (
    ("person", "person_id", UUID),
    ("group", "group", valid_group),
    ("subject", "subject_id", UUID),
    ("from", "first_day", date.fromisoformat),
    ("to", "last_day", date.fromisoformat),
)
COLUMNS = ("time", "who", "address", "action", "subject", "subject_name", "subject_id", "details")
# A spreadsheet takes what begins with one of these for a formula; the last four are full-width.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_INNER_FORMULA = re.compile(r"(?<!^)([;\t|])(?=\s*[=+\-@＝＋－＠])")


@bp.get("")
@needs(Right.PEOPLE)
def index() -> str:
    """The log, the newest first, a page at a time."""
    wanted, kept = _wanted(request.args)
    after = request.args.get("after")
    with reading() as session:
        found = trail.page(session, wanted, Cursor.parse(after, number) if after else None)
        everybody = people.listed(session)
    chosen = {name: kept.get(name, "") for name, _, _ in FILTERS}
    return render_template(
        "audit/index.html",
        page=found,
        after=after,
        chosen=chosen,
        kept=kept,
        people=everybody,
        groups=GROUPS,
        subject=next((row.subject_name for row in found.rows), None)
        if kept.get("subject")
        else None,
    )


@bp.get("/export")
@needs(Right.PEOPLE)
def export() -> Response:
    """What the filters leave of the log, as CSV."""
    wanted, kept = _wanted(request.args)
    with transaction() as session:
        note(session, Action.AUDIT_EXPORTED, filters=kept)
    answer = Response(stream_with_context(_lines(wanted)), content_type="text/csv; charset=utf-8")
    name = f"cloudpilot-audit-{clock.now():%Y-%m-%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


def harmless(cell: str) -> str:
    """A cell that no spreadsheet calculates, also one that cuts at semicolons.

    >>> harmless("=1+1"), harmless("shop"), harmless("a;=1+1")
    ("'=1+1", 'shop', "a;'=1+1")
    """
    cell = _INNER_FORMULA.sub(r"\1'", cell)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def said(value: Any) -> str:
    """A detail of an entry in one line; [before, after] of what was changed with an arrow.

    >>> said({"name": ["shop", "store"], "paths": [["/a"], []]}), said(["SHA256:x", "SHA256:y"])
    ('name: shop → store; paths: /a → nothing', 'SHA256:x, SHA256:y')
    """
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_change(new)}" for name, new in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "nothing"
    return "nothing" if value in {"", None} else str(value)


def _change(value: Any) -> str:
    pair = isinstance(value, list) and len(value) == 2
    return " → ".join(map(said, value)) if pair else said(value)


def _wanted(args: MultiDict[str, str]) -> tuple[Wanted, dict[str, str]]:
    """What a URL narrows the log by, read and as it was typed; nonsense is refused."""
    found: dict[str, Any] = {}
    kept = {name: args[name] for name, _, _ in FILTERS if args.get(name)}
    for name, field, read in FILTERS:
        try:
            found[field] = read(kept[name]) if name in kept else None
        except ValueError:
            raise InvalidConfig(f"There is no {name} “{kept[name][:100]}”.") from None
    return Wanted(**found), kept


def _lines(wanted: Wanted) -> Iterator[str]:
    """The file, some rows at a time; no connection is held while they are sent."""
    yield _csv([COLUMNS])
    after: Cursor | None = None
    while True:
        with reading() as session:
            found = trail.page(session, wanted, after, ROWS_AT_ONCE)
        yield _csv(map(_cells, found.rows))
        if found.following is None:
            return
        after = found.following


def _cells(entry: AuditEntry) -> list[str]:
    subject_id = str(entry.subject_id or "")
    details = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
    about = (entry.subject, entry.subject_name, subject_id, details)
    at = entry.at.isoformat(timespec="seconds")
    return [harmless(cell) for cell in (at, entry.actor, entry.address, entry.action, *about)]


def _csv(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)  # quotes and line ends as RFC 4180 has them
    return text.getvalue()


bp.add_app_template_filter(said, "said")
