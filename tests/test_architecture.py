"""Rules that a machine can hold, each with its reason."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cloudpilot.catalogue import all_failures, by_code
from cloudpilot.errors import CloudPilotError, HostKeyChanged, Unexpected
from tests.support import long

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cloudpilot"
MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if "migrations" not in p.parts]
LINES_OF_A_MODULE = 250
LINES_OF_A_FUNCTION = 45
NO_SUBJECT = {"utils", "util", "helpers", "common", "manager", "service", "misc"}


def functions() -> list[tuple[str, int]]:
    """Every function with its length in lines, docstring not counted."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                doc = len((ast.get_docstring(node) or "").split("\n"))
                length = (node.end_lineno or 0) - node.lineno + 1 - doc
                found.append((f"{path.relative_to(ROOT)}:{node.name}", length))
    return found


def test_every_failure_has_a_code_of_its_own_and_a_remedy() -> None:
    kinds = all_failures()
    assert len({kind.code for kind in kinds}) == len(kinds) > 20
    for kind in kinds:
        assert re.fullmatch(r"[A-Z][A-Z_]+", kind.code)
        assert kind.remedy.endswith(".")
        assert issubclass(kind, CloudPilotError)
    assert by_code("HOST_KEY_CHANGED") is HostKeyChanged
    assert by_code("of a former version") is Unexpected


def test_each_module_has_one_subject() -> None:
    """If a module is long, or is called after nothing, there is a second noun in it."""
    long = [p.name for p in MODULES if len(p.read_text().split("\n")) > LINES_OF_A_MODULE + 1]
    assert long == []
    assert [path.name for path in MODULES if path.stem in NO_SUBJECT] == []


def test_no_function_is_long() -> None:
    """It is the largest function that a reader remembers."""
    assert [name for name, length in functions() if length > LINES_OF_A_FUNCTION] == []


def test_each_module_says_what_it_is_for() -> None:
    empty = {"__init__.py"}
    undocumented = [
        path.name
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text())) and path.name not in empty
    ]
    assert undocumented == []


def test_a_status_is_moved_and_never_assigned() -> None:
    """An assignment would leave no event, and win every race."""
    assigned = [
        path.name
        for path in MODULES
        if re.search(r"\.status = ", path.read_text()) and path.name != "status.py"
    ]
    assert assigned == []


def test_one_broad_except_stands_where_jobs_end() -> None:
    """Anywhere else a failure would be logged and forgotten."""
    broad = [p.name for p in MODULES if re.search(r"except Exception", p.read_text())]
    assert sorted(broad) == ["lifecycle.py", "looks.py"]


def test_no_test_sleeps() -> None:
    """A test waits for a condition, with a deadline; support/until.py is where that is done."""
    call = re.compile(r"(?<![\w\"'`])time\.sleep\(")
    sleepers = [
        path.name
        for path in (ROOT / "tests").rglob("*.py")
        if call.search(path.read_text()) and path.name not in {"until.py", Path(__file__).name}
    ]
    assert sleepers == []


@pytest.mark.parametrize("heavy", ["boto3", "google.cloud", "azure", "playwright"])
def test_a_worker_imports_no_cloud_sdk(heavy: str) -> None:
    """They cost 50 MB a process: whoever needs one imports it on first use."""
    code = f"import worker, sys; sys.exit({heavy!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_what_is_left_to_the_long_form_is_there() -> None:
    """A test that got another name would be back in the short form, unseen."""
    gone = [
        f"{path}::{function}"
        for path, functions in long.KEPT.items()
        for function in functions
        if f"def {function}(" not in (ROOT / path).read_text()
    ]
    assert gone == []
