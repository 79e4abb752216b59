"""What goes wrong on a server."""

from cloudpilot.errors.base import CloudPilotError


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


class WriteDenied(PermissionDenied):
    code = "WRITE_DENIED"
    remedy = "Let the user write to what is named, for example `setfacl -m u:cloudpilot:rwX PATH`, or choose another directory."


class PrivilegeMissing(CloudPilotError):
    code = "PRIVILEGE_MISSING"
    remedy = "Run the set-up command from the server's page again: it gives back what the panel was allowed to read."
    http_status = 502


class BackupDirUnsafe(CloudPilotError):
    code = "BACKUP_DIR_UNSAFE"
    remedy = "Choose another backup directory, for example /var/backups/cloudpilot, or remove what is in its place."
    http_status = 502


class BackupDirReadOnly(CloudPilotError):
    code = "BACKUP_DIR_READ_ONLY"
    remedy = "Look at `dmesg` first: a disk with errors is often made read-only by the system. Then mount it for writing, `mount -o remount,rw`, or choose another backup directory."
    http_status = 502


class BackupDirMissing(CloudPilotError):
    code = "BACKUP_DIR_MISSING"
    remedy = "Mount its disk. If the directory was removed for good, create it again, empty: that proves what was in it gone."
    http_status = 502


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


class ArchiveMissing(CloudPilotError):
    code = "ARCHIVE_MISSING"
    remedy = "Mount its disk, or put the archive back: the next Check finds it. If it is lost, delete the backup here and make a new one."
    http_status = 404
