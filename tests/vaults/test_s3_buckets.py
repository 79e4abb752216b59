"""Buckets that keep more than they show: versions, locks and rules, in Ceph's gateway."""

from datetime import timedelta
from typing import Any

import pytest

from cloudpilot import clock
from cloudpilot.errors import (
    ChecksumMismatch,
    InvalidConfig,
    ObjectMissing,
    UploadStillOpen,
    VaultRefused,
)
from cloudpilot.kinds import VaultKind
from cloudpilot.reports import Grade
from cloudpilot.vaults import s3_deletion
from cloudpilot.vaults.base import Fate
from tests.support import curl
from tests.support.rgw import Rgw
from tests.vaults.s3_store import S3Store
from tests.vaults.sending import Sender

pytestmark = pytest.mark.xdist_group("rgw")
BODY = b"one two"


def put(vault: Any, key: str, body: bytes = BODY) -> Any:
    """An object, sent and completed."""
    sender = Sender(vault, vault.begin(key, len(body)), body, curl.send)
    return sender.complete(sender.all())


def versions(store: S3Store) -> list[str]:
    """Of the whole bucket, markers among them."""
    found = store.s3.list_object_versions(Bucket=store.bucket)
    return [one["Key"] for one in (*found.get("Versions", []), *found.get("DeleteMarkers", []))]


@pytest.fixture
def versioned(rgw: Rgw) -> S3Store:
    """A bucket that keeps every version."""
    store = S3Store(rgw)
    store.s3.put_bucket_versioning(
        Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    return store


@pytest.fixture
def locked(rgw: Rgw) -> S3Store:
    """A bucket in which every object is locked for a day."""
    store = S3Store(rgw)
    store.bucket = f"{store.bucket}-lock"
    store.s3.create_bucket(Bucket=store.bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    store.s3.put_object_lock_configuration(
        Bucket=store.bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    return store


@pytest.mark.parametrize("by_version", [True, False])
def test_where_versions_are_kept_deleted_means_gone(versioned: S3Store, by_version: bool) -> None:
    vault = versioned.vault()
    stored = put(vault, "web-1/a")
    assert stored.version
    other = put(vault, "web-1/a-b")

    assert vault.delete(stored.key, stored.version if by_version else "").fate is Fate.GONE
    assert versions(versioned) == [f"{vault._prefix}/{other.key}"]
    assert vault.delete(stored.key, stored.version).fate is Fate.GONE


def test_what_was_hidden_by_a_marker_is_deleted_too(versioned: S3Store) -> None:
    """Somebody has deleted it at the provider: it seems gone, and every byte is there."""
    vault = versioned.vault()
    put(vault, "web-1/a")
    versioned.s3.delete_object(Bucket=versioned.bucket, Key=f"{vault._prefix}/web-1/a")
    with pytest.raises(ObjectMissing):
        vault.stat("web-1/a")
    assert len(versions(versioned)) == 2

    assert vault.delete("web-1/a").fate is Fate.GONE
    assert versions(versioned) == []


def test_a_check_tells_of_versions_and_leaves_none(versioned: S3Store) -> None:
    lines = {line.about: line for line in versioned.vault().check()}
    assert "keeps versions" in lines["versions"].sentence
    assert versions(versioned) == []


def test_a_locked_object_is_locked_until_then_and_not_an_error(locked: S3Store) -> None:
    vault = locked.vault(bucket=locked.bucket)
    stored = put(vault, "web-1/a")
    deletion = vault.delete(stored.key, stored.version)
    assert deletion.fate is Fate.LOCKED
    assert deletion.until
    assert timedelta() < deletion.until - clock.now() <= timedelta(days=1)
    assert stored.is_still(vault.stat(stored.key))


def test_a_check_tells_of_a_lock(locked: S3Store) -> None:
    lines = {line.about: line for line in locked.vault(bucket=locked.bucket).check()}
    assert lines["lock"].grade is lines["delete"].grade is Grade.WARNING
    assert "1 days" in lines["lock"].sentence


@pytest.mark.parametrize(("rule_of", "warns"), [("tests/", True), ("", True), ("else/", False)])
def test_a_check_warns_of_a_rule_that_deletes_backups(rgw: Rgw, rule_of: str, warns: bool) -> None:
    store = S3Store(rgw)
    rule = {"ID": "r", "Status": "Enabled", "Prefix": rule_of, "Expiration": {"Days": 30}}
    store.s3.put_bucket_lifecycle_configuration(
        Bucket=store.bucket, LifecycleConfiguration={"Rules": [rule]}
    )
    lines = {line.about: line for line in store.vault().check()}
    assert (lines["rules"].grade is Grade.WARNING) is warns
    assert ("30 days" in lines["rules"].sentence) is warns


def test_equal_parts_are_equal(rgw: Rgw) -> None:
    vault = S3Store(rgw).vault(equal_parts=True)
    upload = vault.begin("web-1/a", 500 * 2**30)
    assert len(upload.plan.tiers) == 1
    assert upload.plan.most_bytes >= 1_000 * 2**30
    vault.abort(upload)


def test_another_object_in_its_place_is_not_taken_for_it(rgw: Rgw) -> None:
    """The upload is closed, the answer was lost, and what lies there is somebody else's."""
    store = S3Store(rgw)
    vault = store.vault()
    sender = Sender(vault, vault.begin("web-1/a", len(BODY)), BODY, curl.send)
    sent = sender.all()
    sender.complete(sent)
    put(vault, "web-1/a", b"ONE TWO")
    with pytest.raises(ChecksumMismatch):
        sender.complete(sent)


def test_an_object_that_is_not_what_was_sent_is_removed(
    rgw: Rgw, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = S3Store(rgw).vault()
    sender = Sender(vault, vault.begin("web-1/a", len(BODY)), BODY, curl.send)
    sent = sender.all()
    monkeypatch.setattr("cloudpilot.vaults.receipts.composite", lambda etags: f"{'0' * 32}-1")
    with pytest.raises(ChecksumMismatch):
        sender.complete(sent)
    assert list(vault.list()) == []


def test_parts_that_keep_arriving_are_said_to(rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = S3Store(rgw).vault()
    upload = vault.begin("web-1/a", 1)
    monkeypatch.setattr(vault, "received", lambda _upload: [])
    monkeypatch.setattr("cloudpilot.vaults.s3.of_an_upload", _always)
    with pytest.raises(UploadStillOpen) as still:
        vault.abort(upload)
    assert still.value.transient


class _always:  # noqa: N801  (it stands for a function)
    """Aborting seems to work every time."""

    def __init__(self, _what: str) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_error: object) -> bool:
        return True


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket": "a/b"},
        {"bucket": "evil.example/x?"},
        {"region": "x.evil.example/"},
        {"region": "EU"},
        {"prefix": "../x"},
        {"prefix": "/x"},
    ],
)
def test_no_name_becomes_a_part_of_an_address(rgw: Rgw, changes: dict[str, str]) -> None:
    store = S3Store(rgw)
    prefix = changes.pop("prefix", "")
    location = store.location.__class__(
        **{name: getattr(store.location, name) for name in store.location.__slots__}
        | {"prefix": prefix}
        | changes
    )
    with pytest.raises(InvalidConfig):
        location.judged()


def test_a_space_has_a_region_and_an_address_of_it(rgw: Rgw) -> None:
    store = S3Store(rgw, VaultKind.DO_SPACES, endpoint=f"http://localhost:{rgw.port}")
    with pytest.raises(InvalidConfig):
        store.vault(endpoint="")
    space = store.vault(endpoint="", region="fra1")
    assert (
        f"https://{store.bucket}.fra1.digitaloceanspaces.com/"
        in space.sign_read("a", seconds=60, filename="a").reveal()
    )


def test_amazon_is_asked_in_the_region_and_by_the_newest_signature(rgw: Rgw) -> None:
    amazon = S3Store(rgw).vault(endpoint="", region="eu-central-1", path_style=False)
    signed = amazon.sign_read("a", seconds=60, filename="a").reveal()
    assert ".s3.eu-central-1.amazonaws.com/" in signed
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in signed
    assert "X-Amz-Expires=60" in signed


class KnowsNoVersions:
    """A store that answers the question for versions with a plain list, without any."""

    def __init__(self, *, deletes: bool) -> None:
        self.there, self.deletes = True, deletes

    def get_paginator(self, _name: str) -> "KnowsNoVersions":
        return self

    def paginate(self, **_more: Any) -> list[dict[str, Any]]:
        return [{"ResponseMetadata": {}}]

    def delete_object(self, **_more: Any) -> None:
        self.there = not self.deletes

    def head_object(self, **_more: Any) -> dict[str, Any]:
        if self.there:
            return {}
        from botocore.exceptions import ClientError  # noqa: PLC0415

        said = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        raise ClientError(said, "HeadObject")


def test_an_empty_list_of_versions_proves_nothing() -> None:
    store = KnowsNoVersions(deletes=True)
    s3_deletion.delete(store, "bucket", "key", "")
    assert not store.there
    with pytest.raises(VaultRefused, match="still has it"):
        s3_deletion.delete(KnowsNoVersions(deletes=False), "bucket", "key", "")
