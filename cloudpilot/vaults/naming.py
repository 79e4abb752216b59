"""The name under which a browser saves a download."""

import re
from urllib.parse import quote

_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
MOST_LETTERS = 150


def disposition(filename: str) -> str:
    """`Content-Disposition` for a file that is saved and never shown.

    >>> print(disposition('a "b".tar.gz'))
    attachment; filename="a__b_.tar.gz"; filename*=UTF-8''a%20%22b%22.tar.gz
    """
    filename = "".join(letter for letter in filename if letter.isprintable())[-MOST_LETTERS:]
    plain = _PLAIN.sub("_", filename) or "download"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
