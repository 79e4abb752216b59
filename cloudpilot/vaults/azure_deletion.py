"""Deleting at Azure, where an account may keep deleted blobs, versions, and locks."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from cloudpilot import clock
from cloudpilot.errors import CloudPilotError, ObjectMissing, VaultDenied, VaultRefused
from cloudpilot.vaults.azure_client import translated
from cloudpilot.vaults.base import CheckLine, Deletion, Fate, Grade
from cloudpilot.vaults.checks import unknown


def delete(service: Any, blob: Any, version: str) -> Deletion:
    """Remove the blob and, where the account keeps versions, the one that is left of it."""
    was_there = False
    for which in filter(None, ({"delete_snapshots": "include"}, _version(version))):
        try:
            with translated("delete an object"):
                blob.delete_blob(**which)
                was_there = True
        except ObjectMissing:
            continue
        except (VaultDenied, VaultRefused):
            if locked := _locked(blob):
                return locked
            raise
    return _kept(service) if was_there else Deletion(Fate.GONE)


def findings(service: Any, container: Any) -> list[CheckLine]:
    """Soft delete of the account, and locks of the container."""
    lines = []
    try:
        with translated("tell the account's settings"):
            lines.append(_soft_delete_line(_soft_delete(service)))
    except CloudPilotError:
        sentence = "The store does not tell this key whether it keeps deleted objects."
        lines.append(unknown("soft delete", sentence))
    try:
        with translated("tell the container's settings"):
            lines.append(_lock_line(container.get_container_properties()))
    except CloudPilotError:
        lines.append(unknown("lock", "The store does not tell this key the container's settings."))
    return lines


def _version(version: str) -> dict[str, str] | None:
    return {"version_id": version} if version else None


def _locked(blob: Any) -> Deletion | None:
    with suppress(CloudPilotError), translated("read the lock of an object"):
        found = blob.get_blob_properties()
        until = found.immutability_policy.expiry_time if found.immutability_policy else None
        if until or found.has_legal_hold:
            return Deletion(Fate.LOCKED, until)
    return None


def _kept(service: Any) -> Deletion:
    """What becomes of a deleted blob in this account; kept, if it does not say."""
    try:
        with translated("tell the account's settings"):
            days = _soft_delete(service)
    except CloudPilotError:
        return Deletion(Fate.KEPT)
    return Deletion(Fate.KEPT, clock.now() + timedelta(days=days)) if days else Deletion(Fate.GONE)


def _soft_delete(service: Any) -> int:
    """Days that deleted blobs are kept."""
    policy = service.get_service_properties().get("delete_retention_policy")
    return int(policy.days or 1) if policy and policy.enabled else 0


def _soft_delete_line(days: int) -> CheckLine:
    if not days:
        return CheckLine("soft delete", Grade.OK, "Deleted blobs are gone at once.")
    sentence = f"The account keeps deleted blobs for {days} days, and charges."
    remedy = "To turn it off: the account, Data protection, Enable soft delete for blobs."
    return CheckLine("soft delete", Grade.WARNING, sentence, remedy)


def _lock_line(found: Any) -> CheckLine:
    if not (found.has_immutability_policy or found.has_legal_hold):
        return CheckLine("lock", Grade.OK, "No immutability policy and no legal hold is set.")
    sentence = "The container locks its blobs, also from CloudPilot."
    remedy = "Nothing to do if that is meant: an expired backup stays until its lock ends."
    return CheckLine("lock", Grade.WARNING, sentence, remedy)
