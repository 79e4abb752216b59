"""Text that came from a server or was typed by a person: made safe to store and to show."""

import re
import unicodedata

LIMIT = 64 * 1024  # bytes of one answer that we look at

# C0 and C1 controls but for newline and tab, zero-width and bidirectional marks, line and
# paragraph separators, lone surrogates: they end rows, rewrite terminals or reorder what is read.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # letters of Persian, parts of an emoji: they are seen in what they join


def decode(data: bytes, *, limit: int = LIMIT) -> str:
    """What a server said, as text that any database takes and any page may show.

    Invalid UTF-8 and control characters come out as escapes; only newline and tab stay. Of more
    than `limit` bytes the last ones are kept. Never raises.

    >>> decode(b"caf\\xc3\\xa9 \\xff \\x1b[31m\\x00 \\xe2\\x80\\xae")
    'café \\\\xff \\\\x1b[31m\\\\x00 \\\\u202e'
    """
    return _UNSAFE.sub(_escaped, data[-limit:].decode("utf-8", "backslashreplace"))


def plain(text: str, most: int) -> str:
    """What a stranger calls something, in one line of at most `most` characters: whatever would
    not be seen as it is comes out as an escape.

    >>> plain(" shop\\n\\u202egpj.exe \\ud800 ", 40)
    'shop\\\\x0a\\\\u202egpj.exe \\\\ud800'
    """
    return "".join(_seen(char) for char in text[:most].strip())[:most]


def lines(text: str) -> list[str]:
    """The lines of `text`, at newlines only: str.splitlines also cuts at U+2028 and others."""
    return text.removesuffix("\n").split("\n") if text else []


def has_controls(text: str) -> bool:
    """Whether a person typed something that would not be seen as it is, a newline included."""
    return any(unicodedata.category(char) in _UNSEEN and char not in _JOINERS for char in text)


def _seen(char: str) -> str:
    if unicodedata.category(char) not in {*_UNSEEN, "Cn", "Co"} or char in _JOINERS:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
