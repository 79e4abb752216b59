"""A database cannot be reached, or does not give all that a dump must hold."""

from cloudpilot.errors.base import CloudPilotError


class DbUnreachable(CloudPilotError):
    code = "DB_UNREACHABLE"
    remedy = "See that the database server runs and that host and port, or the socket, are those that it listens at: `ss -ltnx` on the server shows them."
    http_status = 502


class DbAuthFailed(CloudPilotError):
    code = "DB_AUTH_FAILED"
    remedy = "Correct user and password of the site's database, or allow this user to sign in from where the server itself connects."
    http_status = 502


class DbNotFound(CloudPilotError):
    code = "DB_NOT_FOUND"
    remedy = "Correct the names of the site's databases, or take “all databases but…”, which follows what is there."
    http_status = 422


class DbPrivilegeMissing(CloudPilotError):
    code = "DB_PRIVILEGE_MISSING"
    remedy = "Check the site's database: the panel shows the GRANT to paste. Without it the dump would lack something and nobody would be told."
    http_status = 502


class DbConnectionLost(CloudPilotError):
    code = "DB_CONNECTION_LOST"
    remedy = "The database server ended the connection: look in its log for a restart, a crash or an out-of-memory kill, then back up again."
    http_status = 502


class DbLockTimeout(CloudPilotError):
    code = "DB_LOCK_TIMEOUT"
    remedy = "Something holds a lock on a table: an ALTER TABLE or a long transaction, perhaps. Back up again when it has ended."
    http_status = 502


class DumpIncomplete(CloudPilotError):
    code = "DUMP_INCOMPLETE"
    remedy = "The log's last lines say what the dumping tool answered. A dump that is not whole is never kept as a backup."
    http_status = 502


class DbInTheWay(CloudPilotError):
    code = "DB_IN_THE_WAY"
    remedy = "Do at the database server what the sentence says, or restore under another name; nothing was changed."
    http_status = 409


class DbImportFailed(CloudPilotError):
    code = "DB_IMPORT_FAILED"
    remedy = "The log's last lines say what the database server answered to the dump; see that it is not older than the one that was backed up. What was there before is as it was."
    http_status = 502
