"""Deleting at Google, where deleted objects are kept for a week unless that is turned off."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from cloudpilot import clock
from cloudpilot.errors import CloudPilotError, ObjectMissing, VaultDenied, VaultRefused
from cloudpilot.reports import CheckLine, Grade
from cloudpilot.vaults.base import Deletion, Fate
from cloudpilot.vaults.checks import unknown
from cloudpilot.vaults.gcs_client import patience, translated


def delete(bucket: Any, name: str, version: str) -> Deletion:
    """Remove one generation, or all that there are."""
    wanted = [version] if version else _generations(bucket, name)
    for generation in wanted:
        blob = bucket.blob(name, generation=int(generation))
        try:
            with translated("delete an object", missing=ObjectMissing):
                blob.delete(**patience())
        except ObjectMissing:
            continue
        except (VaultDenied, VaultRefused):
            if locked := _locked(blob):
                return locked
            raise
    return _kept(bucket) if wanted else Deletion(Fate.GONE)


def findings(bucket: Any, prefix: str) -> list[CheckLine]:
    """Soft delete, versions, retention and rules, as the bucket tells."""
    try:
        with translated("tell the bucket's settings"):
            bucket.reload(**patience())
    except CloudPilotError:
        return [unknown("versions", "The store does not tell this key the bucket's settings.")]
    return [_soft_delete_line(bucket), _versions_line(bucket), _lock_line(bucket), _rules(bucket)]


def _generations(bucket: Any, name: str) -> list[str]:
    with translated("list the versions of an object"):
        found = bucket.list_blobs(prefix=name, versions=True, **patience())
        return [str(blob.generation) for blob in found if blob.name == name]


def _locked(blob: Any) -> Deletion | None:
    with suppress(CloudPilotError), translated("read the lock of an object"):
        blob.reload(**patience())
        until = blob.retention_expiration_time
        if until or blob.temporary_hold or blob.event_based_hold:
            return Deletion(Fate.LOCKED, until)
    return None


def _kept(bucket: Any) -> Deletion:
    """What becomes of a deleted object in this bucket; kept, if it does not say."""
    try:
        with translated("tell the bucket's settings"):
            bucket.reload(**patience())
    except CloudPilotError:
        return Deletion(Fate.KEPT)
    seconds = _soft_delete(bucket)
    if not seconds:
        return Deletion(Fate.GONE)
    return Deletion(Fate.KEPT, clock.now() + timedelta(seconds=seconds))


def _soft_delete(bucket: Any) -> int:
    """Seconds that deleted objects are kept."""
    policy = bucket.soft_delete_policy
    return int((policy.retention_duration_seconds if policy else 0) or 0)


def _soft_delete_line(bucket: Any) -> CheckLine:
    seconds = _soft_delete(bucket)
    if not seconds:
        return CheckLine("soft delete", Grade.OK, "Deleted objects are gone at once.")
    sentence = f"The bucket keeps deleted objects for {seconds // 86_400} days, and charges."
    remedy = "To turn it off: `gcloud storage buckets update gs://BUCKET --clear-soft-delete`."
    return CheckLine("soft delete", Grade.WARNING, sentence, remedy)


def _versions_line(bucket: Any) -> CheckLine:
    if not bucket.versioning_enabled:
        return CheckLine("versions", Grade.OK, "The bucket keeps no versions.")
    sentence = "The bucket keeps versions: CloudPilot deletes its objects by their generations."
    return CheckLine("versions", Grade.OK, sentence)


def _lock_line(bucket: Any) -> CheckLine:
    seconds = bucket.retention_period
    if not seconds:
        return CheckLine("lock", Grade.OK, "No retention policy is set.")
    sentence = f"A retention policy keeps every object for {int(seconds) // 86_400} days."
    remedy = "Nothing to do if that is meant: an expired backup stays until its lock ends."
    return CheckLine("lock", Grade.WARNING, sentence, remedy)


def _rules(bucket: Any) -> CheckLine:
    deleting = [r for r in bucket.lifecycle_rules if r.get("action", {}).get("type") == "Delete"]
    if not deleting:
        return CheckLine("rules", Grade.OK, "No lifecycle rule deletes backups.")
    sentence = "A lifecycle rule deletes objects of this bucket by itself."
    remedy = "Let CloudPilot delete what has expired: remove the rule, or keep it off the prefix."
    return CheckLine("rules", Grade.WARNING, sentence, remedy)
