"""What is in the dumps, as the server says it and as the panel keeps it."""

from cloudpilot.domain.census import LIST_KEPT, TABLES_KEPT, read


def test_what_makes_no_sense_is_passed_over() -> None:
    lines = ["V rows 1", "T 1 a 1", "D 1", "V colour red", "X", "V rows x", "T 2 b 5", "T 1 c"]
    (found,) = read(lines)
    assert found == {"exact": False, "rows": 0, "rows_by_table": [["c", 0]], "complete": False}


def test_names_may_hold_anything_and_texts_have_an_end() -> None:
    lines = ["D 1", "V name it%27s%20%C3%BC%FF%1B", f"V tool {'x' * 1000}", "V exact 1"]
    (found,) = read(lines)
    assert found["name"] == "it's ü\\xff\\x1b"
    assert len(found["tool"]) == 300
    assert found["exact"] is True


def test_of_very_much_the_most_is_kept() -> None:
    tables = [f"T 1 t{number} {number}" for number in range(TABLES_KEPT + 5)]
    extensions = [f"V extension e{number}" for number in range(LIST_KEPT + 5)]
    (found,) = read(["D 1", *extensions, "V rows 9", f"V listed {len(tables)}", *tables])
    assert len(found["extensions"]) == LIST_KEPT
    assert found["rows_by_table"][0] == [f"t{TABLES_KEPT + 4}", TABLES_KEPT + 4]
    assert (len(found["rows_by_table"]), found["complete"], found["rows"]) == (
        TABLES_KEPT,
        False,
        9,
    )


def test_each_database_has_its_own_tables() -> None:
    lines = ["D 1", "V listed 1", "D 2", "V listed 1", "T 1 a 1", "T 2 b 2"]
    found = read(lines)
    assert [one["rows_by_table"] for one in found] == [[["a", 1]], [["b", 2]]]
    assert all(one["complete"] for one in found)
