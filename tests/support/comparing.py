"""What a database holds, as text that is equal if and only if nothing is lost or changed."""

import re

from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql

_SPEAKS_OF_TIME = re.compile(r"^(-- Dump completed|-- Host:|\\(un)?restrict )")


def of_mariadb(server: MariaDb, name: str, as_name: str = "") -> list[str]:
    """Every line of a whole dump of `name`, as if it were called `as_name`."""
    options = "--single-transaction --routines --triggers --events --hex-blob --dump-history"
    text = server.dump(*options.split(), "--skip-dump-date", "--order-by-primary", "--", name)
    lines = [line for line in text.split("\n") if not _SPEAKS_OF_TIME.match(line)]
    return [re.sub(rf"([`']){name}([`'])", rf"\1{as_name or name}\2", line) for line in lines]


def of_postgresql(server: PostgreSql, name: str) -> list[str]:
    """Every line of a whole dump of `name`; rows have no order."""
    text = server.dump("--format=plain", name)
    return sorted(line for line in text.split("\n") if not _SPEAKS_OF_TIME.match(line))
