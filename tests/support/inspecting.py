"""Looking at real database servers through a real sshd, as a site's login would."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudpilot.engine import inspection
from cloudpilot.engine.doctor.statements import Selection
from cloudpilot.engine.inspection import Asked
from cloudpilot.engine.logins import Login
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql


@dataclass(frozen=True)
class Look:
    """One login, looked at again and again."""

    session: Session
    login: Login

    def at(self, *names: str, all_but: bool = False) -> dict[str, Any]:
        """What is found for these databases."""
        asked = Asked(self.login, Selection(names, all_but))
        return inspection.inspect(self.session, asked)

    def by(self, **changes: Any) -> "Look":
        """The same by another way or user."""
        return Look(self.session, replace(self.login, **changes))


def levels(found: Mapping[str, Any]) -> dict[str, str]:
    """By key of the line; without those that are well."""
    return {line["key"]: line["level"] for line in found["lines"] if line["level"] != "ok"}


def detail(found: Mapping[str, Any], key: str) -> str:
    """What is said on a line."""
    details = [str(line["detail"]) for line in found["lines"] if line["key"] == key]
    return details[0] if details else ""


def statements(found: Mapping[str, Any]) -> list[str]:
    """What is to be pasted."""
    return [str(one["statement"]) for one in found["missing"]]


def of_mariadb(session: Session, server: MariaDb, user: str, password: str) -> Look:
    secret = Secret(password)
    return Look(session, Login(Engine.MARIADB, "", None, server.socket, user, secret))


def of_postgresql(session: Session, server: PostgreSql, user: str, password: str) -> Look:
    secret = Secret(password)
    return Look(session, Login(Engine.POSTGRESQL, "127.0.0.1", server.port, "", user, secret))
