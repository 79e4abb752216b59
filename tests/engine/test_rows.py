"""Counting the rows of a dump while it passes, in whatever portions it comes."""

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudpilot.engine.program import REMOTE

END = "-- Dump completed on 2026\n"
STRINGS = st.text(st.sampled_from("a'\\(),;\n-."), max_size=12)


def said(form: str, dump: str, portions: tuple[int, ...] = ()) -> list[str]:
    """What rows.pl says of a dump that comes in portions of so many bytes, then the rest."""
    reader, writer = os.pipe()
    command = ["perl", REMOTE / "rows.pl", form]
    with subprocess.Popen(command, stdin=reader, stdout=subprocess.PIPE) as process:
        os.close(reader)
        data = dump.encode()
        for size in portions:
            os.write(writer, data[:size])
            data = data[size:]
        with os.fdopen(writer, "wb") as rest:
            rest.write(data)
        assert process.stdout
        return process.stdout.read().decode().split("\n")[:-1]


def literal(text: str) -> str:
    """As mysqldump writes a string."""
    for char, escape in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n")):
        text = text.replace(char, escape)
    return f"'{text}'"


ROWS = st.lists(st.lists(STRINGS, min_size=1, max_size=2), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.booleans(), st.booleans(), st.lists(st.integers(1, 60), max_size=4))
def test_rows_are_counted_whatever_is_in_them(
    rows: list[list[str]], line_each: bool, columns: bool, portions: list[int]
) -> None:
    tuples = [f"({','.join(map(literal, row))})" for row in rows]
    head = "CREATE TABLE `t (1` (\n  `a` text COMMENT '('\n);\nINSERT INTO `t (1`"
    head += " (`a`, `b (`)" if columns else ""
    values = (
        f" VALUES\n{(',' + chr(10)).join(tuples)};\n"
        if line_each
        else f" VALUES {','.join(tuples)};\n"
    )
    dump = f"{head}{values}UNLOCK TABLES;\n{END}"
    assert said("mysql", dump, tuple(portions)) == [
        f"T t%20%281 {len(rows)}",
        "O table 1",
        "E",
    ]


@pytest.mark.parametrize("form", ["mysql", "programs"])
@pytest.mark.parametrize("dump", ["", "INSERT INTO `t` VALUES\n(1),\n", "SELECT 1;\n"])
def test_without_its_end_a_dump_is_none(form: str, dump: str) -> None:
    assert "E" not in said(form, dump)


def test_the_end_is_the_last_word() -> None:
    assert "E" not in said("mysql", f"{END}CREATE TABLE `t` (\n")


@pytest.mark.parametrize("each", ["\n", " "])
def test_a_row_of_many_megabytes_is_one_row(each: str) -> None:
    big = "0x" + "AB" * 3_000_000
    text = literal("'),(\\" * 900_000)
    between = ",\n" if each == "\n" else ","
    dump = f"INSERT INTO `t` VALUES{each}(1,{big}){between}(2,{text}){between}(3,NULL);\n"
    assert said("mysql", dump + END) == ["T t 3", "E"]


def test_what_is_not_understood_is_no_count() -> None:
    assert "?" in said("mysql", "INSERT IGNORE INTO `t` VALUES (1);\n" + END)


PROGRAM = """DELIMITER ;;
CREATE PROCEDURE `p`() begin
{body}
end{end}
DELIMITER ;
/*!50003 SET sql_mode = @saved_sql_mode */ ;
"""
ENDS = [" ;;", "\n;;", "\n*/;;", " */ ;;"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "body",
    [
        "DELIMITER ;;",
        "DELIMITER ;;\nDELIMITER ;",
        "/*!50001 VIEW `v` AS select 1",
        "-- Dump completed",
        "x" * 3_000_000,
    ],
)
def test_what_is_in_a_program_is_no_other_program(body: str, end: str) -> None:
    one = PROGRAM.format(body=body, end=end)
    another = PROGRAM.format(body="select 1;", end=end).replace(";;", ";;;")
    dump = one + another + "/*!50001 VIEW `w` AS select 1 */;\n" + END
    assert said("programs", dump) == ["O routine 2", "O view 1", "E"]


OF = {
    "trigger": "/*!50003 CREATE*/ /*!50017 DEFINER=`a``b*/ EVENT`@`%`*/ /*!50003 trigger t before",
    "event": "/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`h`*/ /*!50106 EVENT `e` ON SCHEDULE",
    "routine": "CREATE DEFINER=`role` AGGREGATE FUNCTION `f`(x int) RETURNS int",
    "program": "CREATE DEFINER=`two",
}


@pytest.mark.parametrize("kind", OF)
def test_what_a_program_is_is_seen_by_what_makes_it(kind: str) -> None:
    """Not by its body; one whose owner is called something of two lines is of no kind."""
    text = f"DELIMITER ;;\nSET x = 1 ;;\n{OF[kind]}\nCREATE TRIGGER\nCREATE EVENT ;;\nDELIMITER ;\n"
    assert said("programs", text * 2 + END) == [f"O {kind} 2", "E"]


def test_a_dump_that_ends_within_a_program_has_no_end() -> None:
    assert "E" not in said("programs", "DELIMITER ;;\nCREATE PROCEDURE\n" + END)


def test_a_name_of_two_lines_is_a_table_without_a_count() -> None:
    dump = "CREATE TABLE `a\nb` (\n  `x` int\n);\nINSERT INTO `a\nb` VALUES\n(1);\n"
    assert said("mysql", dump + END) == ["O table 1", "?", "E"]
