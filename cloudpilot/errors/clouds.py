"""A cloud that makes snapshots cannot be reached, refuses, or does not hold what it should."""

from cloudpilot.errors.base import CloudPilotError
from cloudpilot.errors.on_server import StillThere


class CloudDenied(CloudPilotError):
    code = "CLOUD_DENIED"
    remedy = "Check the cloud's credentials, and compare their rights at the provider with the policy that the cloud's page shows."
    http_status = 502


class CloudUnreachable(CloudPilotError):
    code = "CLOUD_UNREACHABLE"
    remedy = "Check the cloud's region and endpoint, and whether the provider reports an outage."
    transient = True
    http_status = 502


class CloudThrottled(CloudPilotError):
    """`seconds` after which to come again."""

    code = "CLOUD_THROTTLED"
    remedy = "Nothing to do: it is asked again later. If it happens often, something else uses up the account's rate limit at the provider."
    transient = True
    http_status = 503

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class CloudRefused(CloudPilotError):
    code = "CLOUD_REFUSED"
    remedy = "The sentence says why, in the provider's words: a quota, a lock or the state of the machine, perhaps. Correct it there and try again."
    http_status = 502


class InstanceMissing(CloudPilotError):
    code = "INSTANCE_MISSING"
    remedy = "See at the provider whether the machine is still there, and choose the server's machine again. Its snapshots stay where they are."
    http_status = 404


class SnapshotMissing(CloudPilotError):
    code = "SNAPSHOT_MISSING"
    remedy = "Somebody may have removed it at the provider: look there, and make a new one. Delete this backup here."
    http_status = 404


class SnapshotFailed(CloudPilotError):
    code = "SNAPSHOT_FAILED"
    remedy = "The sentence has the provider's reason. See whether it reports an outage, then make a new snapshot; what is left of this one is removed."
    http_status = 502


class SnapshotRestore(CloudPilotError):
    """A snapshot is not put back onto a server."""

    code = "SNAPSHOT_RESTORE"
    remedy = "CloudPilot does not put a snapshot in the place of a running server. Its page makes a new disk or machine of it beside the old one, or says how that is done by hand at the provider."
    http_status = 409


class SnapshotNotDownloadable(CloudPilotError):
    """The provider keeps it, and gives it to nobody as a file."""

    code = "SNAPSHOT_NOT_DOWNLOADABLE"
    remedy = "Make a disk or machine of the snapshot at the provider and copy from there; for files to download make a backup of the site."
    http_status = 409


class SnapshotStillThere(StillThere):
    """The provider shows some of what was to be removed; `delete` is asked again."""

    code = "SNAPSHOT_STILL_THERE"
    remedy = "Nothing to do: providers take minutes to remove a snapshot, and it is asked again. If it stays for hours, look at the provider whether something uses or locks it."
    transient = True
    http_status = 502
