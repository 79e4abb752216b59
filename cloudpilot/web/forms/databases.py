"""Forms about databases."""

from typing import Any

from wtforms import PasswordField, RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.form import BaseForm

from cloudpilot.domain import logins
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from cloudpilot.web.forms import Form, Lines, Text, checked

SOCKET, HOST = "socket", "host"
THESE, ALL_BUT = "these", "all-but"


def _engine(form: BaseForm) -> Engine:
    """The one that was chosen; if none was, that is said at its own field."""
    data = form["engine"].data
    return Engine(data) if data in set(Engine) else Engine.MARIADB


class Socket(Text):
    """Path of a socket, if that is how the server is reached; `value` is the path and the port."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        if form["reach"].data != HOST:
            self.value = checked(lambda: logins.valid_socket(self.data or "", _engine(form)))


class Host(Text):
    """A host, if that is how the server is reached."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        if form["reach"].data == HOST:
            self.value = checked(lambda: logins.valid_host(self.data or ""))


class Port(Text):
    """A port, beside a host."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        if form["reach"].data == HOST:
            self.value = checked(lambda: logins.valid_port(self.data or "", _engine(form)))


class User(Text):
    """Whom to sign in as."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        self.value = checked(lambda: logins.valid_user(self.data or "", _engine(form)))


class Password(Text, PasswordField):
    """A password; it is never shown again."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        self.value = checked(lambda: logins.valid_password(self.data or "", _engine(form)))


class Names(Lines):
    """Names of databases."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        all_but = form["which"].data == ALL_BUT
        judge = logins.valid_names
        self.value = checked(lambda: judge(self.data or "", _engine(form), all_but=all_but))


class DatabaseForm(Form):
    """A database server, as the backed-up server reaches it, and which of its databases."""

    engine = RadioField(
        "Database server",
        choices=[SelectChoice(engine.value, engine.brand) for engine in Engine],
        default=Engine.MARIADB.value,
    )
    reach = RadioField(
        "Where it listens",
        choices=[SelectChoice(SOCKET, "At a socket"), SelectChoice(HOST, "At a host and port")],
        default=SOCKET,
    )
    socket = Socket(
        "Socket",
        str,
        hint="For example /run/mysqld/mysqld.sock; for PostgreSQL its folder, /run/postgresql.",
    )
    host = Host("Host", str, hint="127.0.0.1 is the server itself.")
    port = Port("Port", str, hint="Blank: the usual one.")
    user = User("User", str, hint="Best one of its own that may only read.")
    password = Password("Password", str)
    which = RadioField(
        "Databases",
        choices=[
            SelectChoice(ALL_BUT, "All, but the ones below; new ones come in by themselves"),
            SelectChoice(THESE, "Only the ones below"),
        ],
        default=ALL_BUT,
    )
    names = Names("Names", str, hint="One a line. MySQL's and PostgreSQL's own are never included.")

    def chosen(self) -> dict[str, Any]:
        """What the form means, as columns; without the password."""
        by_host = self.reach.data == HOST
        path, port = ("", self.port.value) if by_host else self.socket.value
        return {
            "engine": Engine(self.engine.data),
            "host": self.host.value if by_host else "",
            "port": port,
            "socket": path,
            "user": self.user.value,
            "all_but": self.which.data == ALL_BUT,
            "names": self.names.value,
        }

    def typed_password(self) -> Secret | None:
        """None if it was left blank."""
        return self.password.value if self.password.data else None
