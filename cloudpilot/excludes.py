"""Exclude patterns and paths, judged and translated for tar and rsync. Pure: text in, text out."""

import re
from collections.abc import Iterable, Sequence

from cloudpilot.errors import InvalidConfig, InvalidPath

BYTES_AT_MOST = 100_000  # of all options together: the kernel limits a command's words

_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<wild>[*?]+)|(?P<plain>.)", re.DOTALL)


def distinct(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths once each, outer ones before those inside them; raises InvalidPath.

    >>> distinct(["/srv/www", "/srv", "/srv/www"])
    ('/srv', '/srv/www')
    """
    found = tuple(sorted(set(paths)))
    if not found:
        raise InvalidPath("There is no path to back up.")
    for path in found:
        parts = path.split("/")[1:]
        if path != "/" and (not path.startswith("/") or {"", ".", ".."} & set(parts)):
            raise InvalidPath(f"“{path}” is not a whole path without . and ..")
        if "\0" in path:
            raise InvalidPath("A path cannot hold a NUL character.")
    return found


def merged(paths: Iterable[str]) -> tuple[str, ...]:
    """`distinct`, without those inside others: what a server with one file system packs.

    >>> merged(["/srv/www/a", "/srv", "/srv-2"])
    ('/srv', '/srv-2')
    """
    kept: list[str] = []
    for path in distinct(paths):
        if not any(is_inside(path, outer) for outer in kept):
            kept.append(path)
    return tuple(kept)


def is_inside(path: str, outer: str) -> bool:
    """Whether `path` is `outer` or lies below it."""
    return path == outer or path.startswith(f"{outer.rstrip('/')}/")


def options(patterns: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """tar's options for the patterns of a site of `paths`; raises InvalidConfig.

    A pattern without a slash matches a name at any depth below the paths; one with a slash
    before its end is anchored at each of them. `*` and `?` (one byte) never match a slash,
    a backslash takes the next character as it is, everything else means itself. What matches is
    left out with all that is in it.

    >>> options(["*.log", "/cache/"], ["/srv/[a]"])[2:]
    ('--no-anchored', '--exclude=*.log', '--anchored', '--exclude=/srv/\\\\[a]/cache')
    """
    words = ["--no-wildcards-match-slash"]
    for pattern in patterns:
        name = _without_ends(pattern)
        if _is_anchored(pattern):
            words.append("--anchored")
            words += [f"--exclude={_literal(path.rstrip('/'))}/{_glob(name)}" for path in paths]
        else:
            _refuse_own_path(pattern, name, paths)
            words += ["--no-anchored", f"--exclude={_glob(name)}"]
    if sum(len(word.encode(errors="surrogateescape")) + 1 for word in words) > BYTES_AT_MOST:
        raise InvalidConfig("The exclude patterns are too long: 100 kB, for all paths together.")
    return ("--wildcards", *words) if patterns else ()


def filters(patterns: Sequence[str], paths: Sequence[str], own: str) -> tuple[str, ...]:
    """rsync's options for the same; raises InvalidConfig as `options` does.

    own  our backup directory, which is in no tree

    The first rule that fits counts: folders above the paths are taken whatever the patterns say,
    and of `/` not what the kernel makes up.

    >>> filters(["*.log"], ["/srv/[a]"], "/var/b")[:3]
    ('--filter=- /var/b', '--filter=+ /srv', '--filter=+ /srv/[[]a]')
    >>> filters(["*.log", "[a]", "/cache/"], ["/srv/b"], "/var/b")[3:]
    ('--filter=- *.log', '--filter=- [[]a]', '--filter=- /srv/b/cache')
    """
    options(patterns, paths)
    rules = [f"- {_rule(own)}"]
    if "/" in paths:
        rules += [f"- /{name}/*" for name in ("proc", "sys", "dev", "run")]
    rules += [f"+ {_rule(above)}" for above in _with_those_above(paths)]
    for pattern in patterns:
        tokens = _tokens(_without_ends(pattern))
        if _is_anchored(pattern):
            tops = [_plain(f"{path.rstrip('/')}/") for path in paths]
            rules += [f"- {_wild([*top, *tokens])}" for top in tops]
        else:
            rules.append(f"- {_wild(tokens)}")
    return tuple(f"--filter={rule}" for rule in rules)


def _with_those_above(paths: Sequence[str]) -> list[str]:
    found = []
    for path in merged(paths):
        parts = path.strip("/").split("/") if path != "/" else []
        found += [f"/{'/'.join(parts[: count + 1])}" for count in range(len(parts))]
    return list(dict.fromkeys(found))


def _rule(path: str) -> str:
    return _wild(_plain(path))


def _plain(text: str) -> list[tuple[str, bool]]:
    return [(char, False) for char in text]


def _wild(tokens: Sequence[tuple[str, bool]]) -> str:
    """For rsync, which takes a backslash for more only where there is a wildcard, and two stars for
    any number of folders."""
    if not any(wild or char in "*?[" for char, wild in tokens):
        return "".join(char for char, _ in tokens)
    escaped = {"*": "[*]", "?": "[?]", "[": "[[]", "\\": "\\\\"}
    return "".join(char if wild else escaped.get(char, char) for char, wild in tokens)


def _without_ends(pattern: str) -> str:
    name = pattern.strip("/")
    if not name:
        raise InvalidConfig(f"The pattern “{pattern}” would exclude everything.")
    if "\0" in name or "**" in name or {"", ".", ".."} & set(name.split("/")):
        raise InvalidConfig(
            f"The pattern “{pattern}” holds **, //, . or .. and would match nothing."
        )
    return name


def _is_anchored(pattern: str) -> bool:
    return "/" in pattern.rstrip("/")


def _refuse_own_path(pattern: str, name: str, paths: Sequence[str]) -> None:
    """tar tries such a pattern at every part of a name, those of the site's path included."""
    expression = re.compile(_regular(name), re.DOTALL)
    for path in paths:
        if any(expression.fullmatch(part) for part in _byte_texts(path)):
            raise InvalidConfig(
                f"The pattern “{pattern}” fits {path} itself, so nothing of it would be backed up."
                " Begin with a slash what is meant directly below it, such as /cache."
            )


def _byte_texts(path: str) -> list[str]:
    """The parts of a path, one character for each byte: that is what `?` matches there."""
    return [part.decode("latin-1") for part in _bytes(path).split(b"/") if part]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _tokens(pattern: str) -> list[tuple[str, bool]]:
    """Characters, and whether each is a wildcard.

    >>> _tokens("a\\\\*?")
    [('a', False), ('*', False), ('?', True)]
    """
    found: list[tuple[str, bool]] = []
    for match in _TOKEN.finditer(pattern):
        if match["wild"]:
            found += [(char, True) for char in match["wild"]]
        else:
            found.append((match["escaped"] or match["plain"], False))
    return found


def _glob(pattern: str) -> str:
    """For fnmatch, as tar calls it."""
    return "".join(char if wild else _literal(char) for char, wild in _tokens(pattern))


def _literal(text: str) -> str:
    """For fnmatch: every character that it might take for more is escaped."""
    return re.sub(r"([\\*?\[])", r"\\\1", text)


def _regular(pattern: str) -> str:
    meaning = {"*": ".*", "?": "."}
    latin = [(_bytes(char).decode("latin-1"), wild) for char, wild in _tokens(pattern)]
    return "".join(meaning[text] if wild else re.escape(text) for text, wild in latin)
