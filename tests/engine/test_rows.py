"""Counting the rows of a dump while it passes, in whatever portions it comes."""

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudpilot.engine.program import REMOTE

END = {
    "mysql": "-- Dump completed on 2026\n",
    "postgresql": "-- PostgreSQL database dump complete\n",
}
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
    dump = f"{head}{values}UNLOCK TABLES;\n{END['mysql']}"
    assert said("mysql", dump, tuple(portions)) == [
        f"T t%20%281 {len(rows)}",
        "O create-table 1",
        "E",
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(STRINGS, max_size=8), st.lists(st.integers(1, 60), max_size=4))
def test_lines_of_copy_are_counted_whatever_is_in_them(
    rows: list[str], portions: list[int]
) -> None:
    lines = [row.replace("\\", "\\\\").replace("\n", "\\n") + "\n" for row in rows]
    copy = f"COPY public.a (x) FROM stdin;\n{''.join(lines)}\\.\n\n"
    dump = f'{copy}COPY "o""d d"."b.c" (x, y) FROM stdin;\n1\t2\n\\.\n\n{END["postgresql"]}'
    assert said("postgresql", dump, tuple(portions)) == [
        f"T public.a {len(rows)}",
        "T o%22d%20d.b.c 1",
        "E",
    ]


@pytest.mark.parametrize("tail", ["", "\n", "--\n\n\\unrestrict abc\n"])
def test_a_dump_has_its_end(tail: str) -> None:
    assert said("postgresql", END["postgresql"] + tail)[-1] == "E"


@pytest.mark.parametrize("form", ["mysql", "programs", "postgresql"])
@pytest.mark.parametrize("dump", ["", "INSERT INTO `t` VALUES\n(1),\n", "SELECT 1;\n"])
def test_without_its_end_a_dump_is_none(form: str, dump: str) -> None:
    assert "E" not in said(form, dump)


def test_the_end_is_the_last_word() -> None:
    assert "E" not in said("mysql", f"{END['mysql']}CREATE TABLE `t` (\n")


@pytest.mark.parametrize("each", ["\n", " "])
def test_a_row_of_many_megabytes_is_one_row(each: str) -> None:
    big = "0x" + "AB" * 3_000_000
    text = literal("'),(\\" * 900_000)
    between = ",\n" if each == "\n" else ","
    dump = f"INSERT INTO `t` VALUES{each}(1,{big}){between}(2,{text}){between}(3,NULL);\n"
    assert said("mysql", dump + END["mysql"]) == ["T t 3", "E"]


def test_what_is_not_understood_is_no_count() -> None:
    assert "?" in said("mysql", "INSERT IGNORE INTO `t` VALUES (1);\n" + END["mysql"])
