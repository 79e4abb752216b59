"""Uploads of which it is not clear how far they are: nothing that is good is given up."""

from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from tests.support.faults import faulty
from tests.support.rclone import Rclone
from tests.support.uploading import add_vault, back_up, drive, found
from tests.vaults.s3_store import S3Store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "kept"])


@STREAMED
def test_an_answer_that_is_lost_deletes_no_good_object(
    core: Flask, site_id: UUID, rclone: Rclone, streamed: bool
) -> None:
    """The store has made the object; who asks again hears that there is no such upload."""
    there = S3Store(rclone)
    vault_id = add_vault(core, there)
    with faulty(rclone.endpoint.removeprefix("http://")) as faults:
        with transaction() as session:
            session.get_one(Vault, vault_id).endpoint = f"http://{faults.address}"
        backup_id = back_up(site_id, vault_id, streamed=streamed)
        faults.lost_once = {"POST"}
        drive()
    assert faults.lost
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    assert len(there.keys(str(backup_id))) == 3
