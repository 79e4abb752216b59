"""Forms about servers."""

from wtforms import BooleanField, RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from cloudpilot.domain import servers
from cloudpilot.domain.servers import BACKUP_ROOT, USERNAME
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Privilege
from cloudpilot.web.forms import Form, Lines, Text

PORT_DIGITS = 5


def valid_port(text: str) -> int:
    """A TCP port; raises InvalidConfig."""
    port = text.strip()
    digits = port.isascii() and port.isdigit() and len(port) <= PORT_DIGITS
    if not digits or not 0 < int(port) < 65536:
        raise InvalidConfig("A port is a number from 1 to 65535; SSH's own is 22.")
    return int(port)


class ServerForm(Form):
    """Where a server is, and where its backups go."""

    name = Text("Name", servers.valid_name, hint="What you call it, for example web-1.")
    host = Text("Host", servers.valid_host, hint="A host name or an address.")
    port = Text("SSH port", valid_port, default="22", hint="SSH's own is 22.")
    username = Text(
        "User",
        servers.valid_username,
        default=USERNAME,
        hint="The set-up command creates it.",
    )
    backup_root = Text(
        "Backup directory",
        servers.valid_backup_root,
        default=BACKUP_ROOT,
        hint="Where archives are kept on the server; a Check says whether they are safe there."
        " Many servers empty /tmp at a reboot.",
    )
    backups_at_once = Text(
        "Backups at once",
        servers.valid_backups_at_once,
        default=str(servers.BACKUPS_AT_ONCE),
        hint="Of schedules, at most; the others wait. What somebody starts by hand begins at once.",
    )


LEVELS = {
    Privilege.PLAIN: "Only what its user may read",
    Privilege.READ_ALL: "Every file, changing none",
    Privilege.FULL: "Anything",
}


class LevelField(RadioField):
    """One of the three levels; templates/servers/_levels.html says what each means."""

    @property
    def value(self) -> Privilege:
        """The level itself, once it was checked."""
        return Privilege(self.data)


def _level_field() -> LevelField:
    return LevelField(
        "What CloudPilot may do there",
        choices=[SelectChoice(level.value, title) for level, title in LEVELS.items()],
        default=Privilege.PLAIN.value,
    )


class LevelForm(Form):
    """What CloudPilot may do on a server."""

    privilege = _level_field()


class NewServerForm(ServerForm):
    """A server, and what CloudPilot may do there."""

    privilege = _level_field()


class MovedServerForm(ServerForm):
    """A server that is known; at another address it is still the same machine."""

    same_machine = BooleanField("It is the same machine at another address.")


class ExpectedKeysForm(Form):
    """The host keys that a server is going to show."""

    expected = Lines("Its new host keys", str.strip)


class DeleteAllForm(Form):
    """The end of all backups of a server."""

    typed = StringField("The server's name")


class RemovedForm(Form):
    """The last line of what the removing command printed."""

    removed = Lines("Its last line", str.strip)


class PastedKeysForm(Form):
    """The last line of what the set-up command printed."""

    host_keys = Lines("Its last line", str.strip)


class OfferedKeyForm(Form):
    """Approval of the key that the server showed."""

    compared = BooleanField("I compared it on the server itself, and it is the same.")
