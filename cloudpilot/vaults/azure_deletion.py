"""Deleting at Azure, where an account may keep deleted blobs, versions, and locks."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from cloudpilot import clock
from cloudpilot.errors import CloudPilotError, ObjectMissing, VaultDenied, VaultRefused
from cloudpilot.reports import CheckLine, Grade
from cloudpilot.vaults.azure_client import translated
from cloudpilot.vaults.base import Deletion, Fate
from cloudpilot.vaults.checks import unknown


def delete(service: Any, blob: Any) -> Deletion:
    """Remove the blob and, where the account keeps versions, all that there are: a name is used
    once. Raises VaultRefused if the store has any of it still."""
    was_there, locked = _delete(blob, delete_snapshots="include")
    container = service.get_container_client(blob.container_name)
    for version in _versions(container, blob.blob_name):
        if locked:
            break
        one = container.get_blob_client(blob.blob_name, version_id=version)
        found, locked = _delete(one, version_id=version)
        was_there = was_there or found
    if locked:
        return locked
    if _versions(container, blob.blob_name):
        raise VaultRefused("The store has said that it deleted the object, and still has it.")
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


def _delete(blob: Any, **which: str) -> tuple[bool, Deletion | None]:
    """Whether it was there, and the lock that forbids its deletion."""
    try:
        with translated("delete an object"):
            blob.delete_blob(**which)
    except ObjectMissing:
        return False, None
    except (VaultDenied, VaultRefused):
        if locked := _locked(blob):
            return True, locked
        raise
    return True, None


def _versions(container: Any, name: str) -> list[str]:
    """Every version of exactly this name; none where the account keeps or knows none."""
    try:
        with translated("list the versions of an object"):
            listed = container.list_blobs(name_starts_with=name, include=["versions"])
            return [one.version_id for one in listed if one.name == name and one.version_id]
    except VaultRefused:
        return []


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
