"""What is in very many databases or tables, as a look tells it: whole lines, not all of them."""

from collections.abc import Callable

import pytest

from cloudpilot.domain import census
from cloudpilot.engine.detached import Place
from cloudpilot.engine.program import REMOTE
from cloudpilot.engine.ssh import Session
from tests.engine.test_detached import over

Counted = Callable[[str], list[dict[str, object]]]

COUNT = f"""
mkdir -p work
count() {{
  perl {REMOTE}/census.pl "$1" >/dev/null || exit 70
}}
"""
MANY_TABLES = """
printf 'name shop\\0' >work/about
seq -f 'T table_of_a_long_name_%05.0f' 1 40000 | awk '{ print $0, 1000000 + NR }' >work/rows
count 1
printf 'name small\\0' >work/about
echo 'T one 7' >work/rows
count 2
mv work/census census
"""
MANY_DATABASES = """
: >work/rows
for number in $(seq 1500); do
  printf 'D %s\\nV name database_%s\\nV where %s\\nV rows 0\\nV listed 0\\n' "$number" "$number" \
    "$(printf '%0250d' 0)" >>census
done
"""
MANY_DEFINERS = """
seq -f 'definer somebody_%.0f@localhost' 1 90000 | tr '\\n' '\\0' >work/about
: >work/rows
count 1
mv work/census census
"""


@pytest.fixture
def counted(launched: Callable[[str], Place], session: Session) -> Counted:
    """What the panel is told of a run whose script has counted so."""

    def look(body: str) -> list[dict[str, object]]:
        report = over(session, launched(COUNT + body))
        assert report.error is None
        return census.read(report.census)

    return look


def test_of_very_many_tables_those_with_the_most_rows_are_told(counted: Counted) -> None:
    shop, small = counted(MANY_TABLES)
    assert (shop["rows"], shop["complete"]) == (sum(range(1000001, 1040001)), False)
    assert shop["rows_by_table"] == [
        [f"table_of_a_long_name_{number:05}", 1000000 + number]
        for number in range(40000, 40000 - census.TABLES_KEPT, -1)
    ]
    assert (small["rows_by_table"], small["complete"]) == ([["one", 7]], True)


def test_of_very_many_databases_each_is_told_whole_or_not_at_all(counted: Counted) -> None:
    found = counted(MANY_DATABASES)
    assert 1000 < len(found) < 1500
    assert [(one["name"], one["where"]) for one in found] == [
        (f"database_{number}", "0" * 250) for number in range(1, len(found) + 1)
    ]


def test_very_many_definers_hide_no_database(counted: Counted) -> None:
    (found,) = counted(MANY_DEFINERS)
    assert found["definers"] == [f"somebody_{n}@localhost" for n in range(1, census.LIST_KEPT + 1)]
