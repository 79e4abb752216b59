"""Looking at a site's database server, with the site's login; it changes nothing there."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cloudpilot.db import reading, transaction
from cloudpilot.domain import databases, inspections
from cloudpilot.domain.databases import Database
from cloudpilot.domain.runs import Run
from cloudpilot.domain.sites import Site
from cloudpilot.engine import inspection
from cloudpilot.engine.doctor.statements import Selection
from cloudpilot.engine.inspection import ALLOWANCE, SECONDS, Asked
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CloudPilotError, SshUnreachable
from cloudpilot.jobs import dumps, lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report
from cloudpilot.secrets import CannotOpenError

SECONDS_AT_LEAST = 6  # a client has five to connect

Found = dict[UUID, dict[str, Any] | CloudPilotError]


def perform(run: Run) -> None:
    """Ask the server, and keep what it says. A database that cannot be reached is a finding."""
    database_id = UUID(run.options["database"])
    with reading() as session:
        database = databases.find(session, database_id)
    asked = _asked(database)
    with connected(run.at) as ssh:
        lifecycle.begin(run)
        found = inspection.inspect(ssh, asked)
    with transaction() as session:
        inspections.keep(session, database, found, database.plan())
    words = "\n".join(
        f"{line['level']}: {line['title']}: {line['detail']}" for line in found["lines"]
    )
    lifecycle.complete(run, Report(stage="inspect", log=words, over=True))


def each(ssh: Session, asked: Sequence[tuple[Database, Site]], until: float) -> Found:
    """What is found for the first of these, as long as there is time; for the others nothing.

    until  by time.monotonic
    """
    found: Found = {}
    for database, _ in asked[: inspections.AT_ONCE]:
        seconds = int(until - time.monotonic() - ALLOWANCE)
        if seconds < SECONDS_AT_LEAST:
            break
        try:
            found[database.id] = inspection.inspect(
                ssh, _asked(database), seconds=min(seconds, SECONDS)
            )
        except SshUnreachable:
            break  # what a Check has found until now is worth keeping
        except (CloudPilotError, CannotOpenError) as error:
            found[database.id] = (
                error if isinstance(error, CloudPilotError) else lifecycle.unexpected(error)
            )
    return found


def _asked(database: Database) -> Asked:
    selection = Selection(tuple(database.names), database.all_but)
    return Asked(dumps.login(database), selection)
