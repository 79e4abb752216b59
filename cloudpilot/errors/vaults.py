"""A vault cannot be reached, refuses, or does not hold what it should."""

from datetime import datetime

from cloudpilot.errors.base import CloudPilotError


class VaultDenied(CloudPilotError):
    code = "VAULT_DENIED"
    remedy = "Check the vault's key and secret, and compare its rights at the provider with the policy that the vault's page shows."
    http_status = 502


class VaultUnreachable(CloudPilotError):
    code = "VAULT_UNREACHABLE"
    remedy = "Check the vault's endpoint and region, and whether the provider reports an outage. A store that only a server can reach cannot be used: the panel itself has to reach it, too."
    transient = True
    http_status = 502


class VaultMissing(CloudPilotError):
    code = "VAULT_MISSING"
    remedy = "Create the bucket or container at the provider, or correct its name and region."
    http_status = 502


class VaultForgotten(CloudPilotError):
    """An owner has given the vault up: nothing is looked for there any more."""

    code = "VAULT_FORGOTTEN"
    remedy = "Nothing to do in the panel. If the bucket is still there, empty it at the provider."
    http_status = 409


class VaultRefused(CloudPilotError):
    code = "VAULT_REFUSED"
    remedy = "Check the vault: it says which step the provider refuses."
    http_status = 502


class ObjectMissing(CloudPilotError):
    code = "OBJECT_MISSING"
    remedy = "Somebody or a lifecycle rule at the provider may have removed it: look there, and back up again."
    http_status = 404


class ManifestRefused(CloudPilotError):
    """What lies in a vault beside an archive is not what CloudPilot writes there."""

    code = "MANIFEST_REFUSED"
    remedy = "Look at the provider who has written it. The archive can be restored by hand, see docs/archive-format.md."
    http_status = 422


class ObjectLocked(CloudPilotError):
    """`until`: when the provider lets it go; None if it does not say."""

    code = "OBJECT_LOCKED"
    remedy = "Nothing to do if that is meant: it is deleted when its lock has ended. Locks and holds are set at the provider."
    http_status = 409

    def __init__(self, words: str, until: datetime | None = None) -> None:
        super().__init__(words)
        self.until = until


class UploadFailed(CloudPilotError):
    code = "UPLOAD_FAILED"
    remedy = "Upload the backup again from its page; the run's log says what the server and the provider answered."
    http_status = 502


class TooLargeForVault(CloudPilotError):
    """There is no way to cut it into the parts that a vault takes."""

    code = "TOO_LARGE_FOR_VAULT"
    remedy = "Split the site into several, or exclude what is not needed: an object holds at most 5 TiB, and what is streamed at most 2.2 TiB. Where a store wants parts of one size, keep a copy on the server and push it to the vault when it is finished."
    http_status = 409


class UploadIncomplete(CloudPilotError):
    """Something of an upload is missing or wrong: it has not become an object."""

    code = "UPLOAD_INCOMPLETE"
    remedy = (
        "Upload the backup again from its page. What had been sent is no backup and is removed."
    )
    http_status = 502


class NotCompleted(CloudPilotError):
    """What was to be uploaded never came to be."""

    code = "NOT_COMPLETED"
    remedy = "The backup itself has failed, so there is nothing to upload: its own run says why. Back up again."
    http_status = 409


class ChecksumMismatch(UploadIncomplete):
    code = "CHECKSUM_MISMATCH"
    remedy = "The provider holds other bytes than the server has sent. Upload it again; if it happens twice, look at the server's disk and memory."


class UploadStillOpen(CloudPilotError):
    code = "UPLOAD_STILL_OPEN"
    remedy = "Nothing to do: parts that were on their way have arrived, and it is tried again until nothing is left."
    transient = True
    http_status = 502
