"""Making a disk or machine of a snapshot, beside what there is; nothing is overwritten."""

from cloudpilot.clouds.base import Restored
from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs, snapshots
from cloudpilot.domain.runs import Run
from cloudpilot.errors import InvalidState
from cloudpilot.jobs import lifecycle, opening
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """The order, once: asked again with the same tag, the run's id, the provider makes no second
    one."""
    if run.cloud_id is None:
        raise InvalidState("This is not done at a cloud.")
    with reading() as session:
        _, copy = snapshots.of_run(session, run)
    part, name = str(run.options["part"]), str(run.options["name"])
    lifecycle.begin(run)
    made = opening.cloud(run.cloud_id).restore(copy.name, part, name, str(run.id))
    with transaction() as session:
        row = runs.find(session, run.id)
        row.options = row.options | {"made": _told(made)}
    words = f"The {made.kind} {made.name} is being made: {made.id}."
    lifecycle.complete(run, Report(stage=RunKind.CREATE.value, log=words, over=True))


def _told(made: Restored) -> dict[str, str]:
    return {"kind": made.kind, "id": made.id, "name": made.name, "url": made.url}
