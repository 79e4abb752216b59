"""What the product's values are called on a page."""

from collections.abc import Sequence

from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, CloudKind, Engine, RunKind, VaultKind

_STAGES = {
    "measure": "Measuring what there is",
    "archive": "Packing",
    "copy": "Copying",
    "prove": "Comparing the tree with what it is of",
    "finish": "Writing it to the disk for good",
    "delete": "Deleting",
    "check": "Checking the server",
    "preview": "Counting files",
    "list-files": "Reading the list of files",
    "inspect": "Asking the database server",
    "dump": "Dumping databases",
    "rotate": "Changing the key",
    "uninstall": "Proving that the panel is out",
    "upload": "Uploading",
    "verify": "Having the vault prove it",
    "abandon": "Taking back what was sent",
    "check-vault": "Checking the vault",
    "adopt": "Looking for backups",
    "sign": "Signing backups in the vault",
    "survey": "Looking at what is there",
    "prepare": "Preparing",
    "fetch": "Fetching from the vault",
    "unpack": "Unpacking beside it",
    "import": "Importing databases beside it",
    "swap": "Putting it in its place",
    "back": "Putting back what was there",
    "undo": "Putting back what was there",
    "forget": "Removing what was there before",
    "clear": "Clearing up",
    "snapshot": "The cloud makes the snapshot",
    "check-cloud": "Asking the cloud",
    "create": "Ordering it from the cloud",
    "export": "Exporting the panel",
}
# What the same word means in another kind of run.
_AGAIN = {RunKind.RESTORE: {"verify": "Verifying the archives", "finish": "Finishing"}}
_KINDS = {
    RunKind.MAKE: "Backup",
    RunKind.CHECK: "Check",
    RunKind.DELETE: "Deletion",
    RunKind.UPLOAD: "Upload",
    RunKind.VERIFY: "Proof of an upload",
    RunKind.ABANDON: "End of an upload",
    RunKind.CHECK_VAULT: "Check of a vault",
    RunKind.SIGN: "Signing of backups in a vault",
    RunKind.ADOPT: "Search for backups in a vault",
    RunKind.PREVIEW: "Preview",
    RunKind.INSPECT: "Look at databases",
    RunKind.LIST: "List of files",
    RunKind.ROTATE: "Key change",
    RunKind.UNINSTALL: "Removal",
    RunKind.SURVEY: "Look before a restore",
    RunKind.RESTORE: "Restore",
    RunKind.UNDO: "Undoing of a restore",
    RunKind.FORGET: "End of a restore",
    RunKind.CLEAR: "Clearing up after a restore",
    RunKind.SNAPSHOT: "Snapshot",
    RunKind.CHECK_CLOUD: "Check of a cloud",
    RunKind.CREATE: "Making something of a snapshot",
    RunKind.EXPORT: "Export of the panel",
}
_PROVIDERS = {
    VaultKind.S3: "Amazon S3 and compatible",
    VaultKind.GCS: "Google Cloud Storage",
    VaultKind.AZURE_BLOB: "Azure Blob Storage",
    VaultKind.DO_SPACES: "DigitalOcean Spaces",
}
_PROOFS = {
    "md5-parts": "the MD5 and size of each part",
    "md5-per-block": "the MD5 of each block when it was taken, and its size",
    "md5-whole": "the MD5 of the whole",
    "readback": "reading it again",
}


def stage(run: Run) -> str:
    """What a run is at."""
    if run.status is Status.PENDING:
        return "Waiting to start"
    if run.kind in _AGAIN and run.stage in _AGAIN[run.kind]:
        return _AGAIN[run.kind][run.stage]
    return _STAGES.get(run.stage or run.kind, run.stage.capitalize()) or "Starting"


def kind(run: Run) -> str:
    """What a run does."""
    return _KINDS[run.kind]


def brand(engine: str) -> str:
    """
    >>> brand("postgresql"), brand("of a later version")
    ('PostgreSQL', 'Database')
    """
    return Engine(engine).brand if engine in set(Engine) else "Database"


def proof(verified_by: str) -> str:
    """How it is known that a vault holds the archive; docs/vaults.md has the table.

    >>> proof("md5-parts"), proof("of a later version")
    ('the MD5 and size of each part', 'of a later version')
    """
    return _PROOFS.get(verified_by, verified_by)


def provider(kind: VaultKind | CloudKind) -> str:
    """
    >>> provider(VaultKind.GCS), provider(CloudKind.GCP)
    ('Google Cloud Storage', 'Google Cloud')
    """
    return kind.brand if isinstance(kind, CloudKind) else _PROVIDERS[kind]


def holds(types: Sequence[BackupType]) -> str:
    """What a site holds of which backups of these types can be made.

    >>> holds([]), holds([BackupType.FULL, BackupType.FILES]), holds([BackupType.DATABASE])
    ('nothing yet', 'files and databases', 'databases')
    """
    words = {"full": "files and databases", "files": "files", "database": "databases"}
    return words[types[0]] if types else "nothing yet"


def plural(count: int, one: str, many: str = "") -> str:
    """
    >>> plural(1, "site"), plural(1200, "site"), plural(0, "copy", "copies")
    ('1 site', '1,200 sites', '0 copies')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def remedy_parts(remedy: str) -> list[tuple[str, bool]]:
    """A remedy in pieces, and whether each is a command: what stands between backquotes is.

    >>> remedy_parts("Install it: `apt-get install tar`.")
    [('Install it: ', False), ('apt-get install tar', True), ('.', False)]
    """
    pieces = remedy.split("`")
    return [(piece, bool(number % 2)) for number, piece in enumerate(pieces) if piece]
