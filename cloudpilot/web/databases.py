"""Databases of a site: which are backed up, and what the last look at them found."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, databases, removals, requests, servers, sites, suggestions
from cloudpilot.domain.audit import Action
from cloudpilot.domain.databases import Database
from cloudpilot.domain.people import Right
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.errors import BackupInProgress
from cloudpilot.jobs import queue
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Sealer, Secret
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.databases import ALL_BUT, HOST, SOCKET, THESE, DatabaseForm
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("databases", __name__)


@bp.route("/sites/<uuid:site_id>/databases/new", methods=["GET", "POST"])
@needs(Right.SERVERS)
def new(site_id: UUID) -> BaseResponse:
    """Add a database to a site; `engine` with `socket` or `port` in the address fills the form
    with what was found."""
    with reading() as session:
        site = sites.find(session, site_id)
        server = servers.find(session, site.server_id)
        found = suggestions.of_databases(
            servers.latest_checkup(session, server.id), databases.of_site(session, site_id)
        )
    form = DatabaseForm(data=_filled(request.args))
    return sent(form, lambda: _add(form, site_id)) or page(
        "databases/new.html", form, site=site, server=server, found=found
    )


@bp.route("/databases/<uuid:database_id>/edit", methods=["GET", "POST"])
@needs(Right.SERVERS)
def edit(database_id: UUID) -> BaseResponse:
    """Change how a database is reached and what is dumped; the next backup follows."""
    with reading() as session:
        database, site, server = _found(session, database_id)
    form = DatabaseForm(data=_typed(database))
    return sent(form, lambda: _change(form, database_id)) or page(
        "databases/edit.html", form, database=database, site=site, server=server
    )


@bp.route("/databases/<uuid:database_id>/remove", methods=["GET", "POST"])
@needs(Right.SERVERS)
def remove(database_id: UUID) -> BaseResponse:
    """Ask once more, then forget a database and its password."""
    with reading() as session:
        database, site, server = _found(session, database_id)
        run = removals.keeps_site(session, site)
    form = Form()

    def act() -> str:
        with transaction() as session:
            row = databases.find(session, database_id)
            removals.remove_database(session, row)
            _note(session, Action.DATABASE_REMOVED, row, site=site.name)
        return _back(site.id)

    return sent(form, act) or page(
        "databases/remove.html", form, database=database, site=site, server=server, run=run
    )


@bp.get("/databases/<uuid:database_id>/findings")
@needs(Right.VIEW)
def findings(database_id: UUID) -> Response:
    """What the last look at it found, alone."""
    with reading() as session:
        database, _, _ = _found(session, database_id)
        [context] = looked_at(session, [database])
    return live("databases/_findings.html", **watched(context, "looking"))


@bp.post("/databases/<uuid:database_id>/inspect")
@needs(Right.RUN)
def inspect(database_id: UUID) -> BaseResponse:
    """Have its server say what is there and what may be read."""
    with transaction() as session:
        database, site, _ = _found(session, database_id)
        _ring(session, database)
        _note(session, Action.DATABASE_INSPECTED, database, site=site.name)
    return redirect(_back(site.id), 303)


def looked_at(session: Session, rows: list[Database]) -> list[dict[str, Any]]:
    """What the fragment needs of each, to be `watched`."""
    looks = databases.latest_looks(session, rows)
    return [{"database": database, "run": looks.get(database.id)} for database in rows]


def _found(session: Session, database_id: UUID) -> tuple[Database, Site, Server]:
    """Raises NotFound, also if its site was removed."""
    database = databases.find(session, database_id)
    site = sites.find(session, database.site_id)
    return database, site, servers.find(session, site.server_id)


def _filled(args: Mapping[str, str]) -> dict[str, str]:
    """What the form begins with; all of it is judged when it is sent."""
    known = {name: args[name] for name in ("engine", "socket", "port") if args.get(name)}
    if known.get("engine") not in set(Engine):
        known.pop("engine", None)
    if "port" in known:
        return known | {"reach": HOST, "host": "127.0.0.1"}
    return known


def _typed(database: Database) -> dict[str, str]:
    """The form of what is there."""
    by_host = bool(database.host)
    return {
        "engine": database.engine.value,
        "reach": HOST if by_host else SOCKET,
        "socket": "" if by_host else database.where,
        "host": database.host,
        "port": str(database.port) if by_host else "",
        "user": database.user,
        "which": ALL_BUT if database.all_but else THESE,
        "names": "\n".join(database.names),
    }


def _add(form: DatabaseForm, site_id: UUID) -> str:
    with transaction() as session:
        site = sites.find(session, site_id)
        password = form.typed_password() or Secret("")
        database = databases.add(session, site, _sealer(), password, form.chosen())
        also = {"user": database.user, "databases": database.which}
        _note(session, Action.DATABASE_ADDED, database, site=site.name, **also)
        _look_too(session, database)
    return _back(site_id)


def _change(form: DatabaseForm, database_id: UUID) -> str:
    with transaction() as session:
        database, site, _ = _found(session, database_id)
        password, values = form.typed_password(), form.chosen()
        changed = audit.changes(database, values)
        databases.change(session, database, _sealer(), password, values)
        also: dict[str, Any] = {"changes": changed}
        also |= {"new_password": "yes"} if password else {}
        _note(session, Action.DATABASE_CHANGED, database, site=site.name, **also)
        _look_too(session, database)
    return _back(site.id)


def _look_too(session: Session, database: Database) -> None:
    """Say at once whether the login works."""
    site = session.get_one(Site, database.site_id)
    if session.get_one(Server, site.server_id).is_ready:
        with suppress(BackupInProgress):
            _ring(session, database)


def _ring(session: Session, database: Database) -> None:
    queue.ring(session, requests.inspect(session, database, me()))


def _note(session: Session, action: Action, database: Database, **details: Any) -> None:
    note(session, action, database, name=database.title, **details)


def _sealer() -> Sealer:
    sealer: Sealer = current_app.extensions["sealer"]
    return sealer


def _back(site_id: UUID) -> str:
    return url_for("sites.show", site_id=site_id, _anchor="databases")
