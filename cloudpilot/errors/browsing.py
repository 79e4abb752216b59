"""What keeps people from looking into a backup, or from taking something out of it."""

from cloudpilot.errors.base import CloudPilotError


class IndexMissing(CloudPilotError):
    code = "INDEX_MISSING"
    remedy = "The backup itself is not touched by this. Download the archive, and list it with `tar -tf`."
    http_status = 404


class IndexDamaged(CloudPilotError):
    code = "INDEX_DAMAGED"
    remedy = "Of the backup only the list of its files is in doubt. Download the archive and compare its SHA-256; if it is right, list it with `tar -tf`."
    http_status = 502


class NoBackupDir(CloudPilotError):
    code = "NO_BACKUP_DIR"
    remedy = "Mount the disk that holds the backup's folder, then check the server. If a vault has the backup, take it from there."
    http_status = 409


class DownloadFailed(CloudPilotError):
    code = "DOWNLOAD_FAILED"
    remedy = "What has arrived is not whole: throw it away or resume it. Check the server or vault that it came from; if its archive is damaged, take another copy or another backup."
    http_status = 502


class DownloadsBusy(CloudPilotError):
    """`seconds` until it may be tried again."""

    code = "DOWNLOADS_BUSY"
    remedy = "Wait until one of them has ended, then try again."
    http_status = 503
    seconds = 30
