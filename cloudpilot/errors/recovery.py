"""An export of the panel cannot be opened, or is not what it should be."""

from cloudpilot.errors.base import CloudPilotError


class RecoveryKeyWrong(CloudPilotError):
    code = "RECOVERY_KEY_WRONG"
    remedy = "Use the recovery key that was the panel's when the export was made: of a key that was replaced later, the old one. It is where its owner has put it; nobody can make it anew."
    http_status = 422


class ExportDamaged(CloudPilotError):
    """Cut, changed, or never one; nothing of it is believed."""

    code = "EXPORT_DAMAGED"
    remedy = "Fetch the file again and compare its size; else take the export before it: each vault keeps the last seven below cloudpilot-panel/."
    http_status = 422


class ExportOfOtherVersion(CloudPilotError):
    """Newer than this panel; what is older is updated while it is brought back."""

    code = "EXPORT_OF_OTHER_VERSION"
    remedy = "Install the version of CloudPilot that is named, or a newer one, over an empty database, and import there."
    http_status = 409


class PanelNotEmpty(CloudPilotError):
    code = "PANEL_NOT_EMPTY"
    remedy = "An export comes into a new panel only: with an empty database, after `flask --app wsgi db upgrade`, before its owner is made."
    http_status = 409


class PanelAtRest(CloudPilotError):
    """Nothing is begun before an owner has said that the old panel is gone."""

    code = "PANEL_AT_REST"
    remedy = "Make sure that the old panel is gone for good; then an owner says so on the page Recovery, and everything goes on."
    http_status = 409


class ExportFailed(CloudPilotError):
    code = "EXPORT_FAILED"
    remedy = "Free some space on the panel's own machine, in its temporary directory or where the file was to go, and try again."
    http_status = 503


class ExportPathWrong(ExportFailed):
    code = "EXPORT_PATH_WRONG"
    remedy = "Name a file in a folder that is there and that you may write to; a file that has this name is replaced."
    http_status = 422


class NotTakenOver(CloudPilotError):
    """The panel before this one was asked for it, and may have done it."""

    code = "NOT_TAKEN_OVER"
    remedy = "Nothing on servers or in vaults was touched because of this. Ask for it again if it is still wanted."
    http_status = 409
