"""Redaction: what looks like a secret is taken out of text before it is logged, stored or shown.

The last line of defence, not the first: secrets are of a type that does not print itself. But a
tool on a server may say a signed address, and a library may put a password into its message. The
same patterns serve both sides: they are extended regular expressions, which Python and sed read
alike, and `look` gives them to the server, so that what matches does not even leave it.
"""

import re
from collections.abc import Iterable

STARS = "***"
KNOWN_AT_LEAST = 8  # characters; a shorter value would be found in innocent words

_NAMES = "|".join(
    (
        "x-amz-(signature|credential|security-token)",
        "x-goog-(signature|credential)",
        "sig|upload_?id|awsaccesskeyid|signature",
        "pass(word|wd|phrase)?|pwd|secret|token|(secret_?)?access_?key|api[_-]?key",
    )
)
# Each: an extended regular expression, and what takes the place of what it has found.
PATTERNS: tuple[tuple[str, str], ...] = (
    (rf"((^|[^a-z0-9])({_NAMES})(=|: ?))[^ &\"';,]+", rf"\1{STARS}"),
    (r"((authorization: ?|[^a-z])(bearer|basic) )[a-z0-9+/=._-]{8,}", rf"\1{STARS}"),
    (r"(://[^ /@:]*:)[^ /@]+@", rf"\1{STARS}@"),
    (r"(/link/)[a-z0-9_-]{20,}", rf"\1{STARS}"),
)
_COMPILED = tuple((re.compile(find, re.IGNORECASE), put) for find, put in PATTERNS)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def redacted(text: str, known: Iterable[str] = ()) -> str:
    """`text` without what looks like a secret, and without the `known` values.

    >>> redacted("PUT https://b.s3.example/k?partNumber=1&X-Amz-Signature=0f3a&x=1")
    'PUT https://b.s3.example/k?partNumber=1&X-Amz-Signature=***&x=1'
    >>> redacted("could not connect to postgresql://panel:hunter2@db/panel")
    'could not connect to postgresql://panel:***@db/panel'
    >>> redacted("the key is abcdefgh", known=["abcdefgh"])
    'the key is ***'
    """
    text = "\n".join(map(_line, _PRIVATE_KEY.sub(STARS, text).split("\n")))
    for value in known:
        if len(value) >= KNOWN_AT_LEAST:
            text = text.replace(value, STARS)
    return text


def _line(text: str) -> str:
    """The patterns are for single lines, as sed reads them."""
    for find, put in _COMPILED:
        text = find.sub(put, text)
    return text


def for_sed() -> str:
    """The patterns as a script for `sed -E`."""
    return "\n".join(f"s#{find}#{put}#gI" for find, put in PATTERNS)
