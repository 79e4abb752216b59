"""Without CloudPilot: the commands of docs/restore-by-hand.md, run as they stand there."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.engine.script import Dump
from tests.engine.conftest import Backups, Made
from tests.engine.test_increments import following
from tests.support import comparing
from tests.support.dumped import login_to
from tests.support.mariadb import MariaDb
from tests.support.postgresql import OWNER, PostgreSql
from tests.support.tree import assert_same
from tests.vaults.s3_store import S3Store

PAGE = Path(__file__).resolve().parents[2] / "docs/restore-by-hand.md"
FETCH, FILES, CHAIN, LOOK, MARIADB, POSTGRESQL = (
    part.split("```")[0] for part in PAGE.read_text().split("```sh\n")[1:]
)
CONTENT = """create table t (id int primary key, s varchar(100));
insert into t values (1, 'one'), (2, 'it''s ü');
create view v as select s from t"""
NAME = "cp_by_hand"  # of the original, and of what is made of it by hand, on another server


def done(block: str, at: Path, **variables: object) -> str:
    """One block of the page, in that folder."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(at)}
    environ |= {name: str(value) for name, value in variables.items()}
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=at, env=environ, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def site(tmp_path: Path) -> Path:
    top = tmp_path / "a site"
    (top / "deep/empty").mkdir(parents=True)
    (top / "deep/new\nline '\"$(id)").write_bytes(os.urandom(70_000))
    (top / "link").symlink_to("deep")
    return top


@pytest.fixture
def databases(mariadb: MariaDb, postgresql: PostgreSql) -> Iterator[tuple[Dump, Dump]]:
    mariadb.sql(f"create database {NAME}; use {NAME}; {CONTENT}")
    postgresql.sql(f"create database {NAME}")
    postgresql.sql(CONTENT, NAME)
    yield tuple(Dump(login_to(server), "here", (NAME,)) for server in (mariadb, postgresql))  # type: ignore[misc]
    for server in (mariadb, postgresql):
        server.sql(f"drop database {NAME}")


def fetched(made: Made, s3: S3Store, at: Path) -> str:
    """From the vault, by the first block, after a fetch that was cut off; the archive's name."""
    manifest = json.loads(made.archive.with_name("manifest.json").read_text())
    name = manifest["result"]["archive"]
    vault, body = s3.vault(), made.archive.read_bytes()
    s3.replace(f"{vault._prefix}/{name}", body)  # type: ignore[attr-defined]
    at.mkdir()
    (at / name).write_bytes(body[: len(body) // 2])
    address = vault.sign_read(name, seconds=60, filename=name).reveal()
    sha256 = manifest["result"]["sha256"]
    assert ": OK" in done(FETCH, at, address=address, archive=name, sha256=sha256)
    return str(name)


def test_files_and_databases_come_back_from_a_vault(
    backups: Backups,
    s3: S3Store,
    site: Path,
    databases: tuple[Dump, Dump],
    mariadb: MariaDb,
    postgresql: PostgreSql,
    tmp_path: Path,
) -> None:
    before = comparing.of_mariadb(mariadb, NAME), comparing.of_postgresql(postgresql, NAME)
    at = tmp_path / "by hand"
    archive = fetched(backups.make(site, dumps=databases), s3, at)
    done(FILES, at, archive=archive, target="target")
    assert_same(site, at / "target" / site.relative_to("/"))
    assert "databases/2  PostgreSQL" in done(LOOK, at, archive=archive, number=1)
    for server in (mariadb, postgresql):
        server.sql(f"drop database {NAME}")
    (at / ".my.cnf").write_text(f"[client]\nsocket={mariadb.socket}\nuser=root\n")
    done(MARIADB, at, archive=archive, number=1, name=NAME)
    told = {"PGHOST": postgresql.home, "PGPORT": postgresql.port, "PGUSER": OWNER}
    done(POSTGRESQL, at, archive=archive, number=2, name=NAME, **told)
    after = comparing.of_mariadb(mariadb, NAME), comparing.of_postgresql(postgresql, NAME)
    assert after == before


def test_a_chain_comes_back_with_what_was_deleted(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    chain = tmp_path / "chain"
    chain.mkdir()
    made = None
    for level in range(3):
        (site / f"new {level}").write_text("new")
        (site / f"new {level - 2}").unlink(missing_ok=True)
        made = backups.make(site, chain=following(made))
        (chain / f"{level}.tar.gz").write_bytes(made.archive.read_bytes())
    done(CHAIN, tmp_path, archives=chain, target=tmp_path / "target")
    assert_same(site, tmp_path / "target/files" / site.relative_to("/"))


def test_another_archive_is_not_taken_for_it(backups: Backups, site: Path, tmp_path: Path) -> None:
    made = backups.make(site)
    with made.archive.open("r+b") as file:
        file.seek(100)
        file.write(b"another")
    check = FETCH.strip().split("\n")[-1]
    told = {"archive": made.archive, "sha256": made.report.result["sha256"]}
    with pytest.raises(AssertionError, match="did NOT match"):
        done(check, tmp_path, **told)
