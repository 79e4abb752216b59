"""What the exit statuses of our scripts mean; docs/remote-protocol.md has the table for readers."""

from collections.abc import Mapping

from cloudpilot.errors import (
    ArchiveMissing,
    BackupDirMissing,
    BackupDirReadOnly,
    BackupDirUnsafe,
    ChecksumMismatch,
    CloudPilotError,
    CommandFailed,
    DbAuthFailed,
    DbConnectionLost,
    DbImportFailed,
    DbInTheWay,
    DbLockTimeout,
    DbNotFound,
    DbPrivilegeMissing,
    DbUnreachable,
    DiskFull,
    DownloadFailed,
    DumpIncomplete,
    IndexMissing,
    InvalidConfig,
    NoBackupDir,
    NotCompleted,
    PathIsLink,
    PathMissing,
    PermissionDenied,
    PrivilegeMissing,
    ReadFailed,
    RunKilled,
    RunStopped,
    StillThere,
    TooLargeForVault,
    ToolMissing,
    UploadFailed,
    VaultDenied,
    VaultMissing,
    VaultUnreachable,
    WriteDenied,
)

BY_EXIT_STATUS: Mapping[int, type[CloudPilotError]] = {
    70: CommandFailed,
    71: DiskFull,
    72: PathMissing,
    73: PathIsLink,
    74: ReadFailed,
    75: RunStopped,
    76: RunKilled,
    77: PermissionDenied,
    78: ToolMissing,
    79: BackupDirUnsafe,
    80: StillThere,
    81: InvalidConfig,
    82: BackupDirMissing,
    83: PrivilegeMissing,
    84: DbUnreachable,
    85: DbAuthFailed,
    86: DbNotFound,
    87: DbPrivilegeMissing,
    88: DbConnectionLost,
    89: DbLockTimeout,
    90: DumpIncomplete,
    91: VaultDenied,
    92: VaultUnreachable,
    93: UploadFailed,
    94: ChecksumMismatch,
    95: VaultMissing,
    96: NotCompleted,
    97: TooLargeForVault,
    110: DbInTheWay,
    111: DbImportFailed,
    112: BackupDirReadOnly,
    113: NoBackupDir,
    114: ArchiveMissing,
    115: IndexMissing,
    116: DownloadFailed,
    117: WriteDenied,
    127: ToolMissing,  # the shell's own: no such command
}


def failure(status: int, sentence: str) -> CloudPilotError:
    """What an exit status other than 0 means.

    >>> failure(71, "Needs 3 GB; 1 GB is free.")
    DiskFull('Needs 3 GB; 1 GB is free.')
    >>> failure(3, "")
    CommandFailed('The script ended with exit status 3.')
    """
    kind = BY_EXIT_STATUS.get(status, CommandFailed)
    return kind(sentence or f"The script ended with exit status {status}.")
