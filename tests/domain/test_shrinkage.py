"""domain.shrinkage: a dump that is far smaller than it used to be is told."""

from typing import Any

import pytest

from cloudpilot.domain import shrinkage


def dump(size: int, rows: int = 10, name: str = "shop", **also: Any) -> dict[str, Any]:
    """What was counted in one."""
    where = {"engine": "mariadb", "where": "/run/mysqld/mysqld.sock"}
    return where | {"name": name, "bytes": size, "rows": rows, "exact": True} | also


def told(now: dict[str, Any], *before: dict[str, Any]) -> list[str]:
    """What is said of it; of the dumps before it, the newest come first."""
    return shrinkage.warnings([[one] for one in before], [now])


CALLED = "The dump of shop (MariaDB at /run/mysqld/mysqld.sock)"


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (dump(3_000_000), [120_000_000] * 5, "is 3.0 MB; the last 5 were about 120.0 MB."),
        (dump(49), [100], "is 49 B; the last one was about 100 B."),
        (dump(49), [100, 98], "is 49 B; the last 2 were about 99 B."),
        (dump(0), [100], "is 0 B; the last one was about 100 B."),
        (dump(49), [10, 100, 100, 100, 1000], "is 49 B; the last 5 were about 100 B."),
        (dump(49), [1] * 5 + [100] * 5, ""),  # only the last five count
        (dump(50), [100] * 5, ""),
        (dump(500), [100] * 5, ""),
        (dump(0), [], ""),
        (dump(0), [0, 0], ""),
    ],
)
def test_less_than_half_of_what_is_usual_is_told(
    now: dict[str, Any], before: list[int], said: str
) -> None:
    assert told(now, *map(dump, before)) == ([f"{CALLED} {said}"] if said else [])


def test_no_rows_where_there_were_some_is_told() -> None:
    assert told(dump(90, 0), dump(100, 1234)) == [
        f"{CALLED} has no rows; the last one had 1,234 rows."
    ]
    assert told(dump(90, 0), dump(100, 1)) == [f"{CALLED} has no rows; the last one had 1 row."]
    assert told(dump(90, 0), dump(100, 0), dump(100, 5)) == []
    assert told(dump(90, 0, exact=False), dump(100, 5)) == []  # nobody has counted them
    assert told(dump(90, 0)) == []


def test_only_the_same_database_is_compared() -> None:
    big = dump(100)
    others = [big | {"name": "blog"}, big | {"engine": "mysql"}, big | {"where": "db:3306"}]
    assert shrinkage.warnings([others], [dump(1)]) == []
    assert len(shrinkage.warnings([others, [big]], [dump(1)])) == 1
    found = shrinkage.warnings(
        [[big, others[0]]], [dump(1), dump(2, name="blog"), dump(1, name="new")]
    )
    assert [sentence.split()[3] for sentence in found] == ["shop", "blog"]


def test_what_lacks_something_is_compared_all_the_same() -> None:
    assert shrinkage.warnings([[{"bytes": 5}]], [{}]) == [
        "The dump of  (database at ) is 0 B; the last one was about 5 B."
    ]
    assert shrinkage.warnings([[{}]], [{}]) == []
