"""The table of exceptions is about clauses that there are, and names who shows them."""

from pathlib import Path

from tests.clouds import exceptions

HERE = Path(__file__).parent
SERVERS = {"aws", "digitalocean", "gcp", "azure", "memory"}


def test_every_exception_is_of_a_clause_and_is_shown_elsewhere() -> None:
    clauses = (HERE / "contract.py").read_text() + (HERE / "network.py").read_text()
    for (server, clause), known in exceptions.EXCEPTIONS.items():
        assert server in SERVERS
        assert f"def {clause.partition('[')[0]}(" in clauses
        file, _, name = known.shown_by.partition("::")
        assert f"def {name}(" in (HERE / file).read_text()
        assert (server, name) not in exceptions.EXCEPTIONS


def test_no_clause_is_an_exception_everywhere() -> None:
    for clause in {clause for _server, clause in exceptions.EXCEPTIONS}:
        without = {server for server, other in exceptions.EXCEPTIONS if other == clause}
        assert SERVERS - {"memory"} - without, f"{clause} is shown by no provider"
