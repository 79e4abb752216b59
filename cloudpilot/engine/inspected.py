"""What inspect.sh has answered: its lines, by their words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudpilot.errors import CommandFailed
from cloudpilot.text import decode

LINES_AT_MOST = 20_000
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}  # of `mariadb --batch`


@dataclass(frozen=True, slots=True)
class Said:
    """Lines of WORD TEXT; the same word may come more than once."""

    lines: Sequence[tuple[str, str]]

    def texts(self, word: str) -> list[str]:
        """What follows this word, line by line."""
        return [text for said, text in self.lines if said == word]

    def rows(self, word: str, columns: int) -> list[list[str]]:
        """The lines of this word that have at least so many columns."""
        rows = (text.split() for text in self.texts(word))
        return [row for row in rows if len(row) >= columns]

    def first(self, word: str) -> str:
        """The text of its first line, or nothing."""
        return next(iter(self.texts(word)), "")

    def number(self, word: str) -> int | None:
        """The number that its first line is."""
        return count(self.first(word))

    def name(self, word: str) -> str:
        """The name that its first line is, which was sent in hexadecimal."""
        return unhex(self.first(word))

    def parts(self) -> dict[str, "Said"]:
        """What was said within each database, by its name."""
        found: dict[str, list[tuple[str, str]]] = {}
        inside: list[tuple[str, str]] = []
        for word, text in self.lines:
            if word == "within":
                inside = found.setdefault(unhex(text), [])
            else:
                inside.append((word, text))
        return {name: Said(lines) for name, lines in found.items()}


def read(answer: bytes) -> Said:
    """The answer, understood; raises CommandFailed if it is not whole."""
    lines = list(_lines(answer))
    if ("end", "") not in lines:
        raise CommandFailed("The server's answer about its databases is not whole.")
    return Said(lines)


def _lines(answer: bytes) -> Iterator[tuple[str, str]]:
    for line in answer.split(b"\n")[:LINES_AT_MOST]:
        text = line.decode("utf-8", "backslashreplace")
        word, _, rest = text.replace("\t", " ").partition(" ")
        yield word, rest.strip() if word != "grant" else text.partition(" ")[2]


def count(text: str) -> int | None:
    """
    >>> count("12"), count("-"), count("12.0")
    (12, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def unhex(text: str) -> str:
    """A name from its hexadecimal digits; what is not UTF-8 in it comes out escaped.

    >>> unhex("73686f70"), unhex("ff"), unhex("odd")
    ('shop', '\\\\xff', '')
    """
    try:
        return bytes.fromhex(text).decode("utf-8", "backslashreplace")
    except ValueError:
        return ""


def unescaped(text: str) -> str:
    r"""A line of `mariadb --batch` as it was before it was made one line.

    >>> unescaped(r"a\\_b\nc")
    'a\\_b\nc'
    """
    pieces, characters = [], iter(text)
    for char in characters:
        following = next(characters, "") if char == "\\" else ""
        pieces.append(_ESCAPES.get(following, char + following))
    return "".join(pieces)


def shown(name: str) -> str:
    """A name as a page may show it: what cannot be seen is escaped."""
    return (
        decode(name.encode("utf-8", "backslashreplace"))
        .replace("\n", "\\x0a")
        .replace("\t", "\\x09")
    )
