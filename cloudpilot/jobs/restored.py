"""Databases of a restore: from its row and the sealed login to what the server is told."""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from cloudpilot.domain import restore_review
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.restores import Restore
from cloudpilot.engine import restore_look
from cloudpilot.engine.logins import Login
from cloudpilot.engine.restore_look import Needs
from cloudpilot.engine.restore_methods import method_for, remarks
from cloudpilot.engine.restored_databases import Method, Target
from cloudpilot.engine.ssh import Session as Ssh
from cloudpilot.errors import InvalidState
from cloudpilot.jobs import dumps
from cloudpilot.secrets import Sealer, Secret


def targets(session: Session, restore: Restore) -> tuple[Target, ...]:
    """Each database, where it goes and how, and who signs in there; raises InvalidState."""
    over = {one["number"] for one in restore_review.in_place(restore.survey or {})}
    return tuple(
        Target(
            _login(session, restore, one),
            one["number"],
            one["backed_up"],
            one["name"],
            Method.IN_PLACE if one["number"] in over else Method.SWAP,
        )
        for one in restore.databases
    )


def looked_at(ssh: Ssh, where: tuple[Target, ...], backup: Backup) -> list[dict[str, Any]]:
    """What is there of each now, and how it can be restored: for the survey.

    method  "swap", "in_place", or "" if it cannot be; why: a sentence; lacks_rights: if it cannot
            be, another login may help; remarks: more sentences
    """
    return [_look(ssh, target, backup.census[target.number - 1]) for target in where]


def _look(ssh: Ssh, target: Target, counted: dict[str, Any]) -> dict[str, Any]:
    needs = Needs(
        version=str(counted.get("version", "")),
        tool=str(counted.get("tool", "")),
        extensions=tuple(counted.get("extensions", ())),
        definers=tuple(counted.get("definers", ())),
    )
    facts = restore_look.look(ssh, target.login, target.name, needs)
    method, why = method_for(facts)
    found = {name: asdict(facts)[name] for name in ("exists", "size", "tables", "sessions")}
    return {
        "number": target.number,
        "name": target.name,
        "engine": target.login.engine.value,
        "method": method.value if method else "",
        "why": why,
        "lacks_rights": not (facts.refused or facts.in_the_way or facts.missing_extensions),
        "remarks": remarks(facts, needs),
        **found,
    }


def _login(session: Session, restore: Restore, one: dict[str, Any]) -> Login:
    """As the backup signs in, or as somebody has typed for this restore."""
    row = session.get(Database, UUID(one["database"]))
    if row is None or (row.removed_at and not restore.logins):
        raise InvalidState(
            f"The site's login for {one['backed_up']} was removed: plan the restore again, with"
            " another one."
        )
    if not restore.logins:
        return dumps.login(row)
    sealer: Sealer = current_app.extensions["sealer"]
    typed = json.loads(sealer.open(restore.logins, restore.logins_place).reveal())
    user, password = typed["user"], Secret(typed["password"])
    return Login(row.engine, row.host, row.port, row.socket, user, password)


def sealed_login(restore_place: str, user: str, password: Secret) -> str:
    """What `Restore.logins` keeps until the restore is over."""
    sealer: Sealer = current_app.extensions["sealer"]
    text = json.dumps({"user": user, "password": password.reveal()})
    return sealer.seal(Secret(text), restore_place)
