"""What a person asked for cannot be done."""

from cloudpilot.errors.base import CloudPilotError


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


class RestoreInProgress(BackupInProgress):
    code = "RESTORE_IN_PROGRESS"
    remedy = "Wait until the restore has ended; its page is under Restores."


class DatabaseAway(CloudPilotError):
    """The panel's own database; nothing was changed, or what was changed is seen after a reload."""

    code = "DATABASE_AWAY"
    remedy = "Reload the page in a moment. If this stays, see whether the database of the panel (DATABASE_URL) runs and can be reached. Backups that are being made go on."
    transient = True
    http_status = 503
