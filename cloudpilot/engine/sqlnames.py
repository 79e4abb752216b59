"""Names in SQL that people paste: quoted, so that each is a name whatever it holds."""

from cloudpilot.errors import InvalidConfig
from cloudpilot.text import has_controls

_WILD = str.maketrans({"\\": "\\\\", "_": "\\_", "%": "\\%"})


def mysql_name(name: str) -> str:
    """A database or table: https://dev.mysql.com/doc/refman/8.4/en/identifiers.html.

    >>> print(mysql_name("it`s"))
    `it``s`
    """
    return "`" + _pasted(name).replace("`", "``") + "`"


def mysql_pattern(name: str) -> str:
    r"""A database as GRANT has it: there _ and % stand for anything, unless they are escaped.

    >>> print(mysql_pattern("my_shop"))
    `my\_shop`
    """
    return mysql_name(name.translate(_WILD))


def mysql_text(text: str) -> str:
    r"""A text, where backslashes escape: https://mariadb.com/kb/en/string-literals/.

    >>> print(mysql_text("it's \\"))
    'it''s \\'
    """
    return "'" + _pasted(text).replace("\\", "\\\\").replace("'", "''") + "'"


def mysql_account(user: str, host: str) -> str:
    """
    >>> print(mysql_account("backup", "localhost"))
    'backup'@'localhost'
    """
    return f"{mysql_text(user)}@{mysql_text(host)}"


def postgresql_name(name: str) -> str:
    """https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS.

    >>> print(postgresql_name('a"b'))
    "a""b"
    """
    return '"' + _pasted(name).replace('"', '""') + '"'


def postgresql_text(text: str) -> str:
    r"""A text in which nothing is an escape but a doubled quote, whatever the server's settings.

    >>> print(postgresql_text("it's"), postgresql_text("\\"))
    'it''s' E'\\'
    """
    quoted = "'" + _pasted(text).replace("\\", "\\\\").replace("'", "''") + "'"
    return f"E{quoted}" if "\\" in text else quoted


def _pasted(text: str) -> str:
    """Raises InvalidConfig for what cannot be pasted: a line break would be sent at once."""
    if has_controls(text):
        raise InvalidConfig("A name holds a character that cannot be pasted.")
    return text
