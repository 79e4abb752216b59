"""What the `work` queue calls. Delivered twice, or to two workers at once, it happens once."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from uuid import UUID

from rq import get_current_job

from cloudpilot import log
from cloudpilot.domain import rest
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.errors import CloudPilotError, NotTakenOver, RunStopped
from cloudpilot.jobs import (
    abandon,
    adopt,
    check,
    check_cloud,
    check_vault,
    clear,
    create,
    delete,
    export,
    inspect,
    leaving,
    lifecycle,
    listing,
    preview,
    rotate,
    sign,
    snapshot,
    survey,
    uninstall,
    verify,
    work,
)
from cloudpilot.jobs.leaving import WorkerEndsError
from cloudpilot.kinds import RunKind

# Work that a job does itself, in seconds, and that may be done twice: it is taken up again in
# whatever state it was left. What a server does is only started here.
DIRECT = {
    RunKind.ABANDON: abandon.perform,
    RunKind.ADOPT: adopt.perform,
    RunKind.CHECK: check.perform,
    RunKind.CHECK_CLOUD: check_cloud.perform,
    RunKind.CHECK_VAULT: check_vault.perform,
    RunKind.CLEAR: clear.perform,
    RunKind.CREATE: create.perform,
    RunKind.EXPORT: export.perform,
    RunKind.DELETE: delete.perform,
    RunKind.INSPECT: inspect.perform,
    RunKind.LIST: listing.perform,
    RunKind.PREVIEW: preview.perform,
    RunKind.ROTATE: rotate.perform,
    RunKind.SIGN: sign.perform,
    RunKind.SNAPSHOT: snapshot.perform,
    RunKind.SURVEY: survey.perform,
    RunKind.UNINSTALL: uninstall.perform,
    RunKind.VERIFY: verify.perform,
}
ASKED_THERE = "The panel before this one was asked for it."


def start(run_id: str) -> None:
    """Set a due run going."""
    run = lifecycle.take(UUID(run_id), Status.PENDING)
    if run and run.stop_requested_at:
        _end_before_it_ran(run)
    elif run and run.of_old_panel and run.kind not in rest.ENDED_ANYWAY:
        lifecycle.fail(run.id, NotTakenOver(ASKED_THERE))
    elif run:
        with _held(run):
            DIRECT.get(run.kind, work.start)(run)
    else:
        resume(run_id)


def resume(run_id: str) -> None:
    """Do again what a job was killed over; what only the panel before this one was at is not."""
    run = lifecycle.take(UUID(run_id), Status.RUNNING)
    if run is None or run.kind not in DIRECT:
        return
    if run.of_old_panel and run.kind not in rest.CARRIED_ON:
        lifecycle.fail(run.id, NotTakenOver(ASKED_THERE))
    else:
        with _held(run):
            DIRECT[run.kind](run)


@contextmanager
def _held(run: Run) -> Iterator[None]:
    """While this job has it: what fails is written down, and what must end is given back."""
    with _told(run), leaving.given_back(run), lifecycle.recorded(run):
        yield


def _told(run: Run) -> AbstractContextManager[None]:
    """Each line of the log says meanwhile which run, and which job, it is about."""
    job = get_current_job()
    return log.about(run.id, run.kind, job.id if job else None)


def stop(run_id: str) -> None:
    """Pass on the wish to stop: to the work if it runs, to the row if nothing was sent yet.

    A start that is under way sees the wish by itself. One that has sent something and died is
    taken up by the clock, and an unreachable server is told by the next look.
    """
    run = lifecycle.current(UUID(run_id))
    with _told(run), suppress(WorkerEndsError):
        _stop(run)


def _stop(run: Run) -> None:
    if run.status is Status.PENDING and run.sent_at is None:
        lifecycle.fail(run.id, RunStopped("Stopped before it began."))
    elif run.status is Status.RUNNING and run.kind.is_on_server:
        try:
            work.stop(run)
        except CloudPilotError as error:
            lifecycle.wait(run, error)
    elif run.status is Status.RUNNING and not run.kind.must_end:
        lifecycle.fail(run.id, RunStopped("Stopped while it was at work."))


def _end_before_it_ran(run: Run) -> None:
    with _held(run):
        if run.kind.is_on_server and run.sent_at:
            work.end(run)
        lifecycle.fail(run.id, RunStopped("Stopped before it began."))
