"""Our own policy, given to a user who owns nothing: it is enough, and it is no more than that."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cloudpilot.errors import ObjectMissing, VaultDenied
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from cloudpilot.vaults import policies
from cloudpilot.vaults.base import Fate
from cloudpilot.vaults.registry import open_vault
from tests.support import curl
from tests.support.rgw import Rgw
from tests.vaults.s3_store import S3Store
from tests.vaults.sending import Sender

pytestmark = pytest.mark.xdist_group("rgw")
PREFIX = "of-the-panel"
BODY = b"one two"


@pytest.fixture(scope="module")
def guest(rgw: Rgw) -> Rgw:
    """Somebody else."""
    assert rgw.user
    return rgw.user("guest")


@pytest.fixture(params=["plain", "versioned"])
def store(rgw: Rgw, guest: Rgw, request: pytest.FixtureRequest) -> S3Store:
    """A bucket in which the guest may what our policy says, below a prefix."""
    found = S3Store(rgw)
    if request.param == "versioned":
        found.s3.put_bucket_versioning(
            Bucket=found.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    policy = json.loads(policies.s3(found.bucket, PREFIX))
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": ["arn:aws:iam:::user/guest"]}
    found.s3.put_bucket_policy(Bucket=found.bucket, Policy=json.dumps(policy))
    return found


def vault_of(store: S3Store, guest: Rgw, prefix: str = PREFIX) -> Any:
    secret = Secret(guest.secret)
    return open_vault(replace(store.location, key_id=guest.key_id, secret=secret, prefix=prefix))


def test_our_policy_is_enough_for_all_that_a_vault_does(store: S3Store, guest: Rgw) -> None:
    vault = vault_of(store, guest)
    wrong = [line for line in vault.check() if line.grade is Grade.FAILED]
    assert [line.sentence for line in wrong] == []
    sender = Sender(vault, vault.begin("web-1/a", len(BODY)), BODY, curl.send)
    receipts = sender.all()
    stored = sender.complete(receipts)
    assert sender.complete(receipts).is_still(stored)  # the answer may have got lost
    assert stored.is_still(vault.stat("web-1/a"))
    assert [one.key for one in vault.list()] == ["web-1/a"]
    assert vault.delete("web-1/a", stored.version).fate is Fate.GONE
    assert vault.delete("web-1/a").fate is Fate.GONE
    vault.abort(vault.begin("web-1/b", 1))
    assert list(vault.open_uploads()) == []
    left = store.s3.list_object_versions(Bucket=store.bucket)
    assert (left.get("Versions"), left.get("DeleteMarkers")) == (None, None)


def test_what_is_not_there_is_told_from_what_may_not_be_seen(store: S3Store, guest: Rgw) -> None:
    vault = vault_of(store, guest)
    store.replace(f"{PREFIX}/web-1/ab", BODY)  # its name begins like the other's
    with pytest.raises(ObjectMissing):
        vault.stat("web-1/a")
    elsewhere = vault_of(store, guest, "of-others")
    store.replace("of-others/web-1/a", BODY)
    for key in ("web-1/a", "web-1/b"):
        with pytest.raises(VaultDenied):
            elsewhere.stat(key)
        with pytest.raises(VaultDenied):
            elsewhere.delete(key)
    assert store.body("of-others/web-1/a") == BODY
