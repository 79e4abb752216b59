"""An export of the panel cannot be opened, or is not what it should be."""

from cloudpilot.errors.base import CloudPilotError


class RecoveryKeyWrong(CloudPilotError):
    code = "RECOVERY_KEY_WRONG"
    remedy = "Use the recovery key that was the panel's when the export was made: of a key that was replaced later, the old one. It is where its owner has put it; nobody can make it anew."
    http_status = 422


class ExportDamaged(CloudPilotError):
    """Cut, changed, or never one; nothing of it is believed."""

    code = "EXPORT_DAMAGED"
    remedy = "Fetch the file again and compare its size; else take the export before it: each vault keeps the last seven below cloudpilot-panel/."
    http_status = 422
