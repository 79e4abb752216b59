"""engine.grants: what SHOW GRANTS says, recorded and documented."""

import subprocess

import pytest

from cloudpilot.engine.doctor.privileges import NEEDED
from cloudpilot.engine.grants import ALL, holds, parse
from cloudpilot.engine.inspected import unescaped
from cloudpilot.engine.program import REMOTE

# Recorded from MariaDB 10.11.19 with --batch --skip-column-names: a user, its role, a role of that
# role, and everybody.
MARIADB = r"""
GRANT `r1` TO `u`@`localhost`
GRANT USAGE ON *.* TO `u`@`localhost`
GRANT SELECT ON `a\\_b`.* TO `u`@`localhost`
GRANT INSERT ON `ax%`.* TO `u`@`localhost`
GRANT SELECT ON `%`.* TO `u`@`localhost`
GRANT SELECT ON `mysql`.`proc` TO `u`@`localhost`
GRANT SELECT (`i`), INSERT ON `a_b`.`t` TO `u`@`localhost`
GRANT `r2` TO `r1`
GRANT USAGE ON *.* TO `r1`
GRANT USAGE ON *.* TO `r2`
GRANT EVENT ON `axb`.* TO `r2`
GRANT TRIGGER ON `a_b`.* TO PUBLIC
SET DEFAULT ROLE `r1` FOR `u`@`localhost`
"""
# As MySQL 8.4's documentation prints it, not recorded:
# https://dev.mysql.com/doc/refman/8.4/en/show-grants.html, …/partial-revokes.html
MYSQL = """
GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO `u`@`%` WITH GRANT OPTION
GRANT APPLICATION_PASSWORD_ADMIN,SHOW_ROUTINE ON *.* TO `u`@`%`
GRANT `r1`@`%`,`r2`@`%` TO `u`@`%`
REVOKE SELECT ON `secret`.* FROM `u`@`%`
GRANT PROXY ON ``@`` TO `u`@`%` WITH GRANT OPTION
GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `u`@`%`
"""


def granted(text: str) -> dict[str, set[str]]:
    found = parse(unescaped(line) for line in text.strip().split("\n"))
    names = ("a_b", "axb", "other", "secret", "shop", "mysql")
    return {name: set(found.on(name)) - {"USAGE"} for name in names}


def test_mariadb_takes_the_most_specific_name_and_adds_what_roles_give() -> None:
    found = granted(MARIADB)
    assert found["a_b"] == {"SELECT", "TRIGGER"}
    assert found["axb"] == {"INSERT", "EVENT", "TRIGGER"}  # its own % does not count: ax% does
    assert found["other"] == {"SELECT"}
    assert parse(MARIADB.split("\n")).on_any() >= {"SELECT"}


def test_mysql_says_what_was_revoked_from_a_part() -> None:
    found = granted(MYSQL)
    assert found["shop"] >= {"SELECT", "SHOW VIEW", "EVENT", "TRIGGER", "SHOW_ROUTINE"}
    assert "EXECUTE" not in found["shop"]
    assert found["shop"] - found["secret"] == {"SELECT"}


@pytest.mark.parametrize("quote", ["`", '"'])
def test_names_hold_anything(quote: str) -> None:
    name = f"it's {quote}{quote} ON *.* TO x, ) ."
    found = parse([f"GRANT SELECT ON {quote}{name}{quote}.* TO {quote}u{quote}@{quote}%{quote}"])
    assert found.on(name.replace(quote * 2, quote)) == {"SELECT"}
    assert found.everywhere == frozenset()


@pytest.mark.parametrize("column", ["i ON *.* TO x", "SELECT ON *.* TO x", "``) ON *.* TO x"])
def test_a_column_is_no_privilege_whatever_it_is_called(column: str) -> None:
    found = parse([f"GRANT SELECT (`{column}`, `b`), INSERT (`c`) ON `d`.`t` TO `u`@`%`"])
    assert found.everywhere == frozenset()
    assert found.on("d") == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "odd",
        "GRANT",
        "GRANT SELECT ON x.* TO y",
        "GRANT SELECT ON `x`.* TO ",
        "GRANT ON *.* TO `u`",
    ],
)
def test_what_is_not_understood_gives_nothing(line: str) -> None:
    assert parse([line]).rows == ()


def test_all_is_everything() -> None:
    [row] = parse(["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]).rows
    assert row.privileges == {ALL}
    assert holds(row.privileges, "TRIGGER")


FOUR = "SELECT, SHOW VIEW, EVENT, TRIGGER"
CASES = [
    [f"GRANT {FOUR} ON *.* TO `u`@`%`"],
    ["GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%` WITH GRANT OPTION"],
    [f"GRANT {FOUR} ON `%`.* TO `u`@`%`", "GRANT SELECT, EVENT ON `sh%`.* TO `u`@`%`"],
    [f"GRANT {FOUR} ON `sh%`.* TO `u`@`%`", "GRANT SELECT, EVENT ON `%`.* TO `u`@`%`"],
    [f"GRANT {FOUR} ON `shop`.* TO `u`@`%`", "GRANT SELECT ON `sho_`.* TO `u`@`%`"],
    [f"GRANT {FOUR} ON `sho_`.* TO `u`@`%`", "GRANT SELECT ON `sho%`.* TO `u`@`%`"],
    [f"GRANT {FOUR} ON `%`.* TO `r`", "GRANT EVENT ON `sh%`.* TO `u`@`%`"],
    ["GRANT SELECT, EVENT ON `%`.* TO `r`", "GRANT TRIGGER, SHOW VIEW ON `sh%`.* TO PUBLIC"],
    [f"GRANT {FOUR} ON *.* TO `u`@`%`", "REVOKE TRIGGER ON `sh%`.* FROM `u`@`%`"],
    [f"GRANT {FOUR} ON `shop`.`t` TO `u`@`%`", "GRANT EVENT ON `shop`.* TO `u`@`%`"],
    [f"GRANT SELECT (`a, {FOUR}, b ON *.* TO x`) ON `shop`.`t` TO `u`@`%`"],
    ["GRANT X_ADMIN,TRIGGER ON *.* TO `u`@`%`", "GRANT SELECT ON `sho\\p`.* TO `u`@`%`"],
    ["odd", "GRANT SELECT ON `shop`.* TO `u`@`%`"],
]


@pytest.mark.parametrize("lines", CASES)
def test_a_dump_asks_for_the_same_before_it_begins(lines: list[str]) -> None:
    """Its script has a parser of its own, which works where no panel is near."""
    granted_here = parse(lines).on("shop")
    missing = [name for name in NEEDED if not holds(granted_here, name)]
    command = ["perl", REMOTE / "grants.pl", "shop"]
    said = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    assert said.stdout == (f"0 {', '.join(missing)}\n" if missing else "")
