"""A program as text that runs whole or not at all, however much of it arrives."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shlex import quote

from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret

REMOTE = Path(__file__).parent / "remote"


@dataclass(frozen=True, slots=True)
class Program:
    """One of the files in engine/remote, what it is called with, and the files that go with it.

    name   without its ending: `look` is remote/look.sh
    args   the script's "$1", "$2", …; any text but NUL
    files  by name; they travel inside the text and are written by the script's own `put`
    secrets  by name; they travel inside the text and are written nowhere: who needs them reads
           them from a pipe that the function `secrets` fills, a line `NAME BASE64` for each
    stays  it reads questions where it came from, and answers them: see remote/answer.sh
    """

    name: str
    args: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    stays: bool = False

    def text(self) -> bytes:
        """What bash reads from its standard input.

        Everything is inside one function and bash reads a function to its end before it runs a
        line of it: of a text that was cut off nothing runs.
        """
        parts = (
            b"cloudpilot_main() {",
            quoted_words("set --", self.args),
            b"payload() {\n:",
            *(_put(name, content) for name, content in self.files.items()),
            b"}",
            telling(self.secrets),
            source("words.sh"),
            source("ending.sh"),
            source("common.sh"),
            source("answer.sh") if self.stays else b"",
            source(f"{self.name}.sh"),
            b"}",
            # Its commands must not read what follows here as their input; what it is asked does.
            b"cloudpilot_main; exit\n" if self.stays else b"cloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


@cache
def source(name: str) -> bytes:
    """A file of engine/remote."""
    return (REMOTE / name).read_bytes()


def quoted_words(command: str, words: tuple[str, ...]) -> bytes:
    """`command` and its words for bash, each word as it is; raises InvalidConfig for a NUL.

    >>> print(quoted_words("set --", ("it's", "$HOME")).decode())
    set -- 'it'"'"'s' '$HOME'
    """
    return _encoded(" ".join((command, *map(quote, words))))


def question(token: str, words: tuple[str, ...]) -> bytes:
    """What a program that stays reads, see remote/answer.sh; raises InvalidConfig for a NUL.

    >>> question("f00d", ("/srv", "it's"))
    b"f00d\\x002\\x00/srv\\x00it's\\x00"
    """
    return b"".join(_encoded(word) + b"\0" for word in (token, str(len(words)), *words))


def _encoded(text: str) -> bytes:
    if "\0" in text:
        raise InvalidConfig("No name may hold a NUL character.")
    return text.encode("utf-8", "surrogateescape")


def _put(name: str, content: bytes) -> bytes:
    """The call that writes one file and proves that it arrived whole."""
    size, digest = str(len(content)), hashlib.sha256(content).hexdigest()
    return quoted_words("put", (name, size, digest, b64encode(content).decode())) + b" || return"


def telling(secrets: Mapping[str, Secret]) -> bytes:
    """The function `secrets`."""
    lines = (_tell(name, secret) for name, secret in secrets.items())
    return b"\n".join((b"secrets() {\n:", *lines, b"}"))


def printing(name: str, file: str) -> bytes:
    """A function `name` that prints a file of engine/remote, which ends with a newline."""
    return f"{name}() {{\ncat <<'CLOUDPILOT_TEXT'\n".encode() + source(file) + b"CLOUDPILOT_TEXT\n}"


def _tell(name: str, secret: Secret) -> bytes:
    """The line of one secret; printf is a part of bash, so no process has it among its words."""
    encoded = b64encode(secret.reveal().encode()).decode()
    return quoted_words("printf", ("%s %s\\n", name, encoded))
