"""The words of the product as enumerations: their values are in the database and in URLs."""

from enum import StrEnum


class BackupType(StrEnum):
    """What is backed up."""

    FILES = "files"
    DATABASE = "database"
    FULL = "full"  # both as one restore point
    SNAPSHOT = "snapshot"  # the whole machine, by its cloud

    @property
    def has_files(self) -> bool:
        """Whether paths are part of it."""
        return self in {BackupType.FILES, BackupType.FULL}

    @property
    def has_databases(self) -> bool:
        """Whether dumps are part of it."""
        return self in {BackupType.DATABASE, BackupType.FULL}


class Engine(StrEnum):
    """A kind of database server."""

    MARIADB = "mariadb"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"

    @property
    def brand(self) -> str:
        """As its makers write it."""
        return {"mariadb": "MariaDB", "mysql": "MySQL", "postgresql": "PostgreSQL"}[self.value]

    @property
    def port(self) -> int:
        """Where it listens unless somebody has chosen otherwise."""
        return 5432 if self is Engine.POSTGRESQL else 3306


class RunKind(StrEnum):
    """What a run does."""

    MAKE = "make"  # makes a backup, on the server, for as long as it takes
    CHECK = "check"  # asks a server what it has and what is wrong with it
    DELETE = "delete"  # removes a backup's copy and proves that it is gone
    PREVIEW = "preview"  # counts what a site holds and what its exclude patterns leave out
    INSPECT = "inspect"  # asks a site's database server what is there and what may be read
    LIST = "list-files"  # reads an archive's index, so that its files can be looked through
    UPLOAD = "upload"  # sends a backup to its vault, from the server, for as long as it takes
    VERIFY = "verify"  # makes an object of what was sent, proven by the vault
    ABANDON = "abandon"  # takes back an upload that has failed, until nothing of it is left
    CHECK_VAULT = "check-vault"  # does at a vault what a backup will do, with a small object
    SIGN = "sign"  # lays beside backups in a vault what a recovery key knows again
    ADOPT = "adopt"  # looks in a vault for backups that no row knows, and gives them rows
    ROTATE = "rotate"  # gives a server a new SSH key and takes the old one away
    UNINSTALL = "uninstall"  # takes the panel off a server, and proves that its key is refused
    SURVEY = "survey"  # looks at what a restore would put in the place of what
    RESTORE = "restore"  # puts back what a backup holds, on the server, for as long as it takes
    UNDO = "undo"  # puts back what was there before a restore
    FORGET = "forget"  # has what was there before a restore go for good
    CLEAR = "clear"  # removes the folder in which a restore has worked
    SNAPSHOT = "snapshot"  # has a cloud make a snapshot, for as long as it takes
    CHECK_CLOUD = "check-cloud"  # asks a cloud what its credentials may do and what is there
    EXPORT = "export"  # puts an export of the panel itself into a vault
    CREATE = "create"  # has a cloud make a disk or machine of a snapshot, beside what there is

    @property
    def must_end(self) -> bool:
        """Whether it is not to be left half done: it is not stopped."""
        return self in {
            RunKind.ROTATE, RunKind.UNINSTALL, RunKind.VERIFY, RunKind.UNDO, RunKind.CLEAR,
        }  # fmt: skip

    @property
    def is_on_server(self) -> bool:
        """Whether a process on the server does it, for as long as it takes, without us."""
        return self in {
            RunKind.MAKE, RunKind.UPLOAD, RunKind.RESTORE, RunKind.UNDO, RunKind.FORGET,
        }  # fmt: skip

    @property
    def goes_on_alone(self) -> bool:
        """Whether what has been begun goes on without us, on a server or at a cloud."""
        return self.is_on_server or self is RunKind.SNAPSHOT

    @property
    def counts_percent(self) -> bool:
        """Whether `done` and `total` of its run are percent, not bytes."""
        return self is RunKind.SNAPSHOT

    @property
    def is_tried_for_ever(self) -> bool:
        """Whether nobody would ask twice for it: it is tried until it is proven."""
        return self in {RunKind.DELETE, RunKind.ABANDON, RunKind.UNDO, RunKind.CLEAR}


class Compression(StrEnum):
    """How an archive is packed; the server picks the fastest gzip that it has."""

    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def suffix(self) -> str:
        """What an archive's name ends in."""
        return {Compression.GZIP: ".tar.gz", Compression.ZSTD: ".tar.zst"}[self]


class Method(StrEnum):
    """What a backup of files is on its server."""

    ARCHIVE = "archive"  # one compressed file
    TREE = "tree"  # all files as they are; those that have not changed are linked to the last tree

    @property
    def suffix(self) -> str:
        """What a tree's name ends in."""
        return f".{self.value}"


class Place(StrEnum):
    """Where a copy of a backup lies."""

    SERVER = "server"
    VAULT = "vault"
    CLOUD = "cloud"


class Privilege(StrEnum):
    """What `cloudpilot` may do on a server."""

    PLAIN = "plain"  # reads what its user and groups may read
    READ_ALL = "read-all"  # reads every file, through a copy of tar; changes nothing
    FULL = "full"  # may do anything, through sudo


class Role(StrEnum):
    """What a person may do in the panel; each may do what those after it may."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class VaultKind(StrEnum):
    """Whose object storage a vault is in."""

    S3 = "s3"  # Amazon's, and what speaks its language
    GCS = "gcs"
    AZURE_BLOB = "azure_blob"
    DO_SPACES = "do_spaces"


class CloudKind(StrEnum):
    """Whose machines a cloud is of, and who makes and keeps their snapshots."""

    AWS = "aws"
    DIGITALOCEAN = "digitalocean"
    GCP = "gcp"
    AZURE = "azure"

    @property
    def brand(self) -> str:
        """As its owners write it."""
        return {
            "aws": "AWS", "digitalocean": "DigitalOcean", "gcp": "Google Cloud", "azure": "Azure",
        }[self.value]  # fmt: skip
