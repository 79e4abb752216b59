"""domain.suggestions: database servers that a Check found."""

from typing import Any

import pytest

from cloudpilot.domain import suggestions
from cloudpilot.domain.databases import Database
from cloudpilot.domain.servers import Checkup
from cloudpilot.kinds import Engine

RUN = "/run/mysqld"


def found(engine: str, sockets: list[str], ports: list[int]) -> dict[str, Any]:
    return {"engine": engine, "version": "", "sockets": sockets, "ports": ports}


def offered(*facts: dict[str, Any], used: list[Database] | None = None) -> list[tuple[str, bool]]:
    checkup = Checkup(facts={"databases": list(facts)})
    return [(one.where, one.is_used) for one in suggestions.of_databases(checkup, used or [])]


def test_a_server_is_offered_by_its_sockets_or_else_by_its_ports() -> None:
    both = found("mariadb", [f"{RUN}/mysqld.sock", f"{RUN}/mysqlx.sock"], [3306])
    assert offered(both) == [(f"{RUN}/mysqld.sock", False)]
    assert offered(found("postgresql", [], [5432, 5433])) == [
        ("127.0.0.1:5432", False),
        ("127.0.0.1:5433", False),
    ]
    assert offered(found("oracle", ["/x"], [1])) == []


@pytest.mark.parametrize("checkup", [None, Checkup(facts={"trap": None})])
def test_without_a_check_or_with_an_old_one_nothing_is_offered(checkup: Checkup | None) -> None:
    assert suggestions.of_databases(checkup, []) == []


def test_what_the_site_uses_is_marked() -> None:
    columns = {"engine": Engine.POSTGRESQL, "host": "", "port": None}
    usual = Database(**columns, socket="/run/postgresql")
    sockets = [f"/run/postgresql/.s.PGSQL.{port}" for port in (5432, 5433)]
    assert offered(found("postgresql", sockets, []), used=[usual]) == [
        (sockets[0], True),
        (sockets[1], False),
    ]
    other = Database(**columns | {"port": 5433}, socket="/run/postgresql")
    assert offered(found("postgresql", sockets, []), used=[other])[1] == (sockets[1], True)
