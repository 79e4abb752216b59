"""The catalogue of failures: each has a stable code, and says what to do about it."""

from typing import ClassVar


class CloudPilotError(Exception):
    """A failure that a person can act on.

    The class says what kind of failure it is (`code`, `remedy`, `transient`); the instance says
    what happened this time, in one sentence without secrets.
    """

    code: ClassVar[str] = "INTERNAL"
    remedy: ClassVar[str] = "Report this to the administrator with the run's number."
    transient: ClassVar[bool] = False  # True: the same call may succeed later, unaided
    http_status: ClassVar[int] = 500


class Unexpected(CloudPilotError):
    """Something that nobody thought of; the log has the details."""


# What a person asked for cannot be done.


class InvalidConfig(CloudPilotError):
    code = "INVALID_CONFIG"
    remedy = "Correct the setting that is named and try again."
    http_status = 422


class InvalidPath(CloudPilotError):
    code = "INVALID_PATH"
    remedy = "Give whole paths such as /var/www, one a line."
    http_status = 422


class InvalidState(CloudPilotError):
    code = "INVALID_STATE"
    remedy = "Reload the page to see how things stand now."
    http_status = 409


class BackupInProgress(CloudPilotError):
    code = "BACKUP_IN_PROGRESS"
    remedy = "Wait until it has ended, or stop it first."
    http_status = 409


class NotAllowed(CloudPilotError):
    code = "NOT_ALLOWED"
    remedy = "Ask an owner or admin of this panel to do it or to change your role."
    http_status = 403


class NotFound(CloudPilotError):
    code = "NOT_FOUND"
    remedy = "It may have been removed. Go back to the list and look again."
    http_status = 404


class SignInFailed(CloudPilotError):
    """It does not say whether the address or the password is wrong."""

    code = "SIGN_IN_FAILED"
    remedy = "Check both and try again; an owner or admin can tell you which address is yours."
    http_status = 422


class TooManyAttempts(CloudPilotError):
    """`seconds` until it may be tried again."""

    code = "TOO_MANY_ATTEMPTS"
    remedy = "Wait a minute, then try again."
    http_status = 429

    def __init__(self, message: str, seconds: int | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class LinkInvalid(CloudPilotError):
    code = "LINK_INVALID"
    remedy = "Ask whoever gave it to you for a new one."
    http_status = 410


class FormExpired(CloudPilotError):
    code = "FORM_EXPIRED"
    remedy = "Go back, reload the page and send the form again."
    http_status = 400


# Reaching a server.


class SshNotConfigured(CloudPilotError):
    code = "SSH_NOT_CONFIGURED"
    remedy = "Run the set-up command on the server, then approve its host key on the server's page."
    http_status = 409


class AddressRefused(CloudPilotError):
    code = "ADDRESS_REFUSED"
    remedy = "Give the address that the server has on its network. Link-local and metadata addresses are never connected to, private ones only if CLOUDPILOT_PRIVATE_NETWORKS allows it."
    http_status = 422


class SshUnreachable(CloudPilotError):
    code = "SSH_UNREACHABLE"
    remedy = "Check that the server is up, that host and port are right, and that its firewall lets the panel in."
    transient = True
    http_status = 502


class SshAuthFailed(CloudPilotError):
    code = "SSH_AUTH_FAILED"
    remedy = "Run the set-up command from the server's page again: it puts the key in place."
    http_status = 502
    refused = False  # whether, by its approved host key, the server said no to this very key


class KeyNotTaken(CloudPilotError):
    code = "KEY_NOT_TAKEN"
    remedy = "This server's sshd does not read ~/.ssh/authorized_keys: see `sshd -T | grep -i authorizedkeys`. The former key stays in use."
    http_status = 502


class KeyStillAccepted(CloudPilotError):
    code = "KEY_STILL_ACCEPTED"
    remedy = "Look for the panel's key where this server's sshd reads keys, `sshd -T | grep -i authorizedkeys`, and remove its line."
    http_status = 502


class RemovalUnproven(CloudPilotError):
    code = "REMOVAL_UNPROVEN"
    remedy = "Run the removing command on the server as root and paste its last line: it says what is gone. If the server is no more, forget it."


class HostKeyUnknown(CloudPilotError):
    """`offered` is the fingerprint that the server showed, `SHA256:…`."""

    code = "HOST_KEY_UNKNOWN"
    remedy = "Compare the fingerprint with what the set-up command printed, then approve it on the server's page."
    http_status = 409

    def __init__(self, message: str, offered: str = "") -> None:
        super().__init__(message)
        self.offered = offered


class HostKeyChanged(HostKeyUnknown):
    code = "HOST_KEY_CHANGED"
    remedy = "Compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the server's own console. If it matches, approve the new key on the server's page; if not, do not connect."
    http_status = 502


# What goes wrong on a server.


class CommandFailed(CloudPilotError):
    code = "COMMAND_FAILED"
    remedy = "The log's last lines say what the server answered; Check it for what is missing."
    http_status = 502


class ToolMissing(CloudPilotError):
    code = "TOOL_MISSING"
    remedy = "Install it: `apt-get install tar gzip perl coreutils`, or `dnf install tar gzip perl-interpreter coreutils`."
    http_status = 502


class DiskFull(CloudPilotError):
    code = "DISK_FULL"
    remedy = "Free space on the server, delete old backups, or choose a backup directory on a larger disk."
    http_status = 507


class PathMissing(CloudPilotError):
    code = "PATH_MISSING"
    remedy = "Correct the site's paths, or mount what should be there."
    http_status = 422


class PathIsLink(CloudPilotError):
    code = "PATH_IS_LINK"
    remedy = "A backup of a link holds only the link: put the folder that it points to into the site's paths."
    http_status = 422


class PermissionDenied(CloudPilotError):
    code = "PERMISSION_DENIED"
    remedy = "Let the user read it, for example `setfacl -R -m u:cloudpilot:rX PATH` or a group that it is in."
    http_status = 502


class PrivilegeMissing(CloudPilotError):
    code = "PRIVILEGE_MISSING"
    remedy = "Run the set-up command from the server's page again: it gives back what the panel was allowed to read."
    http_status = 502


class BackupDirUnsafe(CloudPilotError):
    code = "BACKUP_DIR_UNSAFE"
    remedy = "Choose another backup directory, for example /var/backups/cloudpilot, or remove what is in its place."
    http_status = 502


class BackupDirMissing(CloudPilotError):
    code = "BACKUP_DIR_MISSING"
    remedy = "Mount its disk. If the directory was removed for good, create it again, empty: that proves what was in it gone."
    http_status = 502


class ArchiveMissing(CloudPilotError):
    code = "ARCHIVE_MISSING"
    remedy = "Mount its disk, or put the archive back: the next Check finds it. If it is lost, delete the backup here and make a new one."


class ReadFailed(CloudPilotError):
    code = "READ_FAILED"
    remedy = "The disk or file system reports an error: look at `dmesg` on the server before anything else."
    http_status = 502


class SecretKeyWrong(CloudPilotError):
    code = "SECRET_KEY_WRONG"
    remedy = "Put the key that the panel had before into CLOUDPILOT_SECRET_KEYS_OLD (or back into CLOUDPILOT_SECRET_KEY) and restart all its processes."


class RunLost(CloudPilotError):
    code = "RUN_LOST"
    remedy = "Start it again. If it happens again, look for reboots or an out-of-memory kill on the server."


class RunKilled(CloudPilotError):
    code = "RUN_KILLED"
    remedy = "Something on the server ended the process: look for reboots, memory limits or a person, then start it again."


class RunStopped(CloudPilotError):
    code = "STOPPED"
    remedy = "Nothing to do: somebody asked for it. Start it again when you want."
    http_status = 409


class StillThere(CloudPilotError):
    code = "STILL_THERE"
    remedy = "Look into the folder on the server: something in it cannot be removed by its owner."
