"""Deleting in S3, where deleted does not mean gone: versions, markers and locks."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cloudpilot.errors import CloudPilotError, ObjectMissing, VaultDenied, VaultRefused
from cloudpilot.vaults import s3_objects
from cloudpilot.vaults.base import Deletion, Fate
from cloudpilot.vaults.s3_client import translated


def delete(s3: Any, bucket: str, name: str, version: str) -> Deletion:
    """Remove one version, or all that there are, and ask whether they are gone.

    Raises VaultRefused if the store has it still. One that knows no versions may list none.
    """
    wanted = [version] if version else list(_versions(s3, bucket, name))
    if not wanted:
        # Asked to delete nothing, a bucket that keeps versions would make a marker.
        if not _is_there(s3, bucket, name, [""]):
            return Deletion(Fate.GONE)
        wanted = [""]
    for one in wanted:
        try:
            with translated("delete an object"):
                s3.delete_object(Bucket=bucket, Key=name, **s3_objects.which(one))
        except ObjectMissing:
            continue
        except (VaultDenied, VaultRefused):
            if locked := _locked(s3, bucket, name, one):
                return locked
            raise
    if _is_there(s3, bucket, name, [*wanted, ""]):
        raise VaultRefused("The store has said that it deleted the object, and still has it.")
    return Deletion(Fate.GONE)


def _versions(s3: Any, bucket: str, name: str) -> Iterator[str]:
    """Every version and marker of it; "" where the store knows no versions."""
    try:
        yield from s3_objects.versions(s3, bucket, name)
    except VaultRefused:
        yield ""


def _is_there(s3: Any, bucket: str, name: str, versions: list[str]) -> bool:
    for version in versions:
        try:
            s3_objects.head(s3, bucket, name, version, what="see whether an object is gone")
        except ObjectMissing:
            continue
        return True
    return False


def _locked(s3: Any, bucket: str, name: str, version: str) -> Deletion | None:
    """Until when a lock forbids its deletion; None if no lock is known."""
    named = {"Bucket": bucket, "Key": name, **s3_objects.which(version)}
    with suppress(CloudPilotError), translated("read the lock of an object"):
        until = s3.get_object_retention(**named).get("Retention", {}).get("RetainUntilDate")
        if until:
            return Deletion(Fate.LOCKED, until)
    with suppress(CloudPilotError), translated("read the legal hold of an object"):
        if s3.get_object_legal_hold(**named).get("LegalHold", {}).get("Status") == "ON":
            return Deletion(Fate.LOCKED)
    return None
