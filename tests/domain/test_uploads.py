"""Which uploads may be asked for, what follows when one ends, and what goes where it is deleted."""

from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Event, Thread
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import (
    copies,
    deletions,
    outcomes,
    overview,
    presence,
    proofs,
    readable,
    runs,
    uninstalls,
    uploads,
)
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import (
    CloudPilotError,
    InvalidState,
    NotCompleted,
    RunLost,
    RunStopped,
    UploadIncomplete,
    VaultDenied,
    VaultUnreachable,
)
from cloudpilot.kinds import Place, RunKind, VaultKind
from tests.domain.test_backups import RESULT
from tests.support.overlapping import overlapping
from tests.support.rows import add_person


@pytest.fixture
def backup_id(core: Flask, make_run: UUID) -> UUID:
    """A backup that is completed, on its server alone; its vault exists."""
    with transaction() as session:
        backup = session.scalars(select(Backup)).one()
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), [])
        session.get_one(Run, make_run).move(session, Status.RUNNING)
        session.get_one(Run, make_run).move(session, Status.COMPLETED)
        add_person(session)
        session.add(
            Vault(id=uuid4(), name="offsite", kind=VaultKind.S3, bucket="bucket", secret="sealed")
        )
        return backup.id


def of(session: Session, backup_id: UUID) -> tuple[Backup, Vault, Person]:
    vault = session.scalars(select(Vault)).one()
    person = session.scalars(select(Person)).one()
    return session.get_one(Backup, backup_id), vault, person


def asked(session: Session, backup_id: UUID) -> Run:
    backup, vault, person = of(session, backup_id)
    run = uploads.ask(session, backup, vault, person)
    run.move(session, Status.RUNNING)
    return run


def add_archive(session: Session, run: Run) -> VaultObject:
    """The object that an upload has begun."""
    row = VaultObject(
        copy_id=UUID(run.options["copy"]),
        vault_id=run.vault_id,
        attempt=UUID(run.options["attempt"]),
        name="archive",
        key="k",
        upload_secret="sealed",
    )
    session.add(row)
    session.flush()
    return row


def test_only_what_a_server_can_send_is_uploaded(backup_id: UUID) -> None:
    with transaction() as session:
        backup, vault, person = of(session, backup_id)
        server = session.get_one(Server, backup.server_id)
        server.removed_at = clock.now()
        with pytest.raises(InvalidState, match="cannot reach"):
            uploads.ask(session, backup, vault, person)
        server.removed_at = None
        local = backup.server_copy
        assert local
        [going] = outcomes.remove_uploaded(session, backup)
        with pytest.raises(InvalidState, match="about to go"):
            uploads.ask(session, backup, vault, person)
        going.move(session, Status.FAILED)
        local.move(session, CopyStatus.MISSING)
        with pytest.raises(InvalidState, match="not on the server"):
            uploads.ask(session, backup, vault, person)


def test_what_goes_in_a_week_can_be_sent_until_then(backup_id: UUID) -> None:
    """The vault has lost it; the planned removal begins to count when it is there again."""
    with transaction() as session:
        backup, _vault, person = of(session, backup_id)
        backup.local_days = 7
        run = asked(session, backup_id)
        row = add_archive(session, run)
        uploads.stored(session, run)
        [copy] = backup.in_vaults()
        local = backup.server_copy
        assert local
        assert local.remove_at
        presence.note(session, {copy.id: "It is not in the vault any more."})
        run.move(session, Status.COMPLETED)
        again = asked(session, backup_id)
        assert local.remove_at is None
        row.attempt = UUID(again.options["attempt"])
        session.flush()
        uploads.stored(session, again)
        planned = local.remove_at
        assert planned
        other = Vault(id=uuid4(), name="o", kind=VaultKind.S3, bucket="another", secret="sealed")
        session.add(other)
        session.flush()
        uploads.ask(session, backup, other, person)
        assert local.remove_at == planned  # the first has it, so it stays as it was planned


def test_a_planned_removal_is_not_begun_while_an_upload_reads(backup_id: UUID) -> None:
    """Somebody asks for one after the clock has looked what is due."""
    with transaction() as session:
        backup = of(session, backup_id)[0]
        local = backup.server_copy
        assert local
        asked(session, backup_id)
        local.remove_at = clock.now()
        session.flush()
        assert copies.due_to_go(session, 5) == []
        assert outcomes.remove_uploaded(session, backup) == []
        assert local.remove_at


def test_pushed_twice_at_once_it_is_sent_once(core: Flask, backup_id: UUID) -> None:
    said: list[str] = []
    has_asked, goes_on = Event(), Event()

    def push(*, waits: bool) -> None:
        with core.app_context(), suppress(CloudPilotError), transaction() as session:
            backup, vault, person = of(session, backup_id)
            uploads.ask(session, backup, vault, person)
            said.append("asked")
            if waits:
                has_asked.set()
                goes_on.wait(10)

    first, second = (Thread(target=push, kwargs={"waits": waits}) for waits in (True, False))
    first.start()
    assert has_asked.wait(10)
    second.start()
    second.join(1)  # it may wait for the first, or be done
    goes_on.set()
    first.join()
    second.join()
    assert said == ["asked"]
    with transaction() as session:
        assert len(of(session, backup_id)[0].in_vaults()) == 1


def test_two_places_that_are_emptied_at_once_leave_no_copy_behind(
    core: Flask, backup_id: UUID
) -> None:
    """Each sees the other's: the backup leaves the lists."""
    with transaction() as session:
        backup, _, person = of(session, backup_id)
        asked(session, backup_id)
        backup.in_vaults()[0].move(session, CopyStatus.STORED)
        removals = [run.id for run in deletions.delete(session, backup, person)]

    def empty(session: Session, run_id: UUID) -> None:
        outcomes.removed(session, runs.find(session, run_id))

    overlapping(core, *(partial(empty, run_id=run_id) for run_id in removals))
    with transaction() as session:
        assert of(session, backup_id)[0].deleted_at


def test_what_is_not_completed_is_not_uploaded(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        backup = session.scalars(select(Backup)).one()
        with pytest.raises(NotCompleted):
            readable.refuse_others(session, backup)
        assert uploads.begin(session, backup) == []


def test_a_row_that_says_too_little_is_a_lost_run(backup_id: UUID) -> None:
    with pytest.raises(RunLost):
        uploads.vault_of(Run(vault_id=None))
    with transaction() as session, pytest.raises(RunLost):
        uploads.copy_of(session, Run(options={"copy": str(uuid4())}))
    with pytest.raises(InvalidState):
        _ = Run(server_id=None).at


def test_an_upload_whose_process_is_lost_goes_on_but_not_for_ever(backup_id: UUID) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        for _ in range(uploads.GOES_ON_AT_MOST):
            run.move(session, Status.FAILED)
            [run] = outcomes.not_uploaded(session, run, RunLost("Rebooted."))
            assert run.kind is RunKind.UPLOAD
            run.move(session, Status.RUNNING)
        run.move(session, Status.FAILED)
        [last] = outcomes.not_uploaded(session, run, RunLost("Rebooted."))
        assert last.kind is RunKind.ABANDON
        assert uploads.copy_of(session, last).error_code == "RUN_LOST"


@pytest.mark.parametrize("error", [RunStopped("Stopped."), VaultUnreachable("No answer.")])
def test_another_end_takes_it_back(backup_id: UUID, error: Exception) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        [following] = outcomes.not_uploaded(session, run, error)  # type: ignore[arg-type]
        assert following.kind is RunKind.ABANDON
        assert uploads.copy_of(session, run).status is CopyStatus.FAILED


def test_where_nothing_was_begun_nothing_is_taken_back(backup_id: UUID) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        assert outcomes.not_uploaded(session, run, VaultDenied("No.")) == []
        run.move(session, Status.FAILED)
        again = asked(session, backup_id)
        add_archive(session, again)
        [following] = outcomes.not_uploaded(session, again, VaultDenied("No."))
        assert following.kind is RunKind.ABANDON


def test_where_an_answer_was_lost_before_what_it_may_have_begun_is_taken_back(
    backup_id: UUID,
) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        lost = VaultUnreachable("No answer.")
        runs.put_off(session, run, lost, next_look_at=clock.now())
        [following] = outcomes.not_uploaded(session, run, VaultDenied("No."))
        assert following.kind is RunKind.ABANDON


def test_what_is_being_deleted_neither_goes_on_nor_fails(backup_id: UUID) -> None:
    with transaction() as session:
        backup, _, person = of(session, backup_id)
        run = asked(session, backup_id)
        places = {one.vault_id for one in deletions.delete(session, backup, person)}
        assert places == {None, run.vault_id}
        session.refresh(run)
        assert run.stop_requested_at
        assert uploads.sent(session, run) == []
        assert outcomes.not_uploaded(session, run, RunLost("Gone.")) == []
        copy = uploads.copy_of(session, run)
        presence.note(session, {copy.id: "It is not there."})
        assert copy.status is CopyStatus.DELETING


def test_only_the_proof_makes_a_copy_stored(backup_id: UUID) -> None:
    with transaction() as session:
        backup, _, _ = of(session, backup_id)
        backup.local_days = 3
        run = asked(session, backup_id)
        row = add_archive(session, run)
        row.size, row.verified_by = backup.size, "md5-parts"
        [proof] = uploads.sent(session, run)
        copy = uploads.copy_of(session, run)
        assert (proof.kind, copy.status) == (RunKind.VERIFY, CopyStatus.MAKING)
        assert outcomes.uploaded(session, proof) == []
        assert (copy.status, copy.sha256) == (CopyStatus.STORED, backup.sha256)
        local = backup.server_copy
        assert local
        assert local.remove_at
        assert timedelta(days=2) < local.remove_at - clock.now() <= timedelta(days=3)


def test_a_proof_need_not_wait_longer_than_for_the_archive(backup_id: UUID) -> None:
    """All was sent before the making was seen to end: it asks again in a second, or is rung for."""
    with transaction() as session:
        backup = of(session, backup_id)[0]
        run = asked(session, backup_id)
        add_archive(session, run)
        [proof] = uploads.sent(session, run)
        runs.put_off(session, proof, None, next_look_at=clock.now() + proofs.NOT_YET)
        assert proofs.archive_is_known(session, backup) == [proof]
        assert proof.next_look_at <= clock.now()
        proof.next_look_at = clock.now() + timedelta(minutes=10)  # a job is at it
        assert proofs.archive_is_known(session, backup) == []


def test_a_proof_that_fails_takes_the_upload_back(backup_id: UUID) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        add_archive(session, run)
        [proof] = uploads.sent(session, run)
        [following] = outcomes.not_uploaded(session, proof, UploadIncomplete("A part is missing."))
        assert following.kind is RunKind.ABANDON


def test_a_planned_removal_gives_way_to_a_deletion_of_all(backup_id: UUID) -> None:
    with transaction() as session:
        backup, _, person = of(session, backup_id)
        assert backup.server_copy
        backup.server_copy.remove_at = clock.now()
        session.flush()
        assert copies.due_to_go(session, 10) == [backup_id]
        deletions.delete(session, backup, person)
        assert outcomes.remove_uploaded(session, backup) == []
        session.flush()
        assert copies.due_to_go(session, 10) == []


def test_a_backup_of_which_nothing_is_anywhere_just_leaves_the_lists(
    core: Flask, backup_id: UUID
) -> None:
    with transaction() as session:
        backup, _, person = of(session, backup_id)
        for copy in backup.copies:
            copy.move(session, CopyStatus.DELETING)
            copy.move(session, CopyStatus.GONE)
        assert deletions.delete(session, backup, person) == []
        assert backup.deleted_at


def test_taking_the_panel_off_a_server_leaves_what_is_in_vaults(backup_id: UUID) -> None:
    with transaction() as session:
        backup, vault, person = of(session, backup_id)
        copy = Copy(
            place=Place.VAULT, vault_id=vault.id, status=CopyStatus.STORED, name=backup.archive
        )
        backup.copies.append(copy)
        session.flush()
        server = session.get_one(Server, backup.server_id)
        [run] = uninstalls.delete_all(session, server, person, server.name)
        assert run.vault_id is None
        assert copy.status is CopyStatus.STORED
        run.move(session, Status.RUNNING)
        outcomes.removed(session, run)
        run.move(session, Status.COMPLETED)
        assert backup.deleted_at is None
        server.removed_at = clock.now()
        [run] = deletions.delete(session, backup, person)
        assert run.vault_id == vault.id
        outcomes.removed(session, run)
        assert backup.deleted_at


def test_a_run_without_a_server_is_no_trouble_of_a_server(backup_id: UUID) -> None:
    with transaction() as session:
        _, vault, _ = of(session, backup_id)
        runs.add(session, Run(kind=RunKind.CHECK_VAULT, vault_id=vault.id, subject="offsite"))
        assert overview._unreached(session) == {}
