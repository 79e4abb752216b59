"""Whether a server itself reaches a store: one signed request with a small body, for the doctor."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import reduce

from cloudpilot.engine.program import Program, quoted_words, source, telling
from cloudpilot.engine.requests import Headers, Request, line
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.redaction import redacted
from cloudpilot.secrets import Secret
from cloudpilot.text import decode, lines

SECONDS = 40
LARGEST = 64 * 1024  # bytes of the body: it travels with the script
RESOLVE, CONNECT, TIME_OUT = 6, 7, 28  # what curl ends with
TLS = frozenset({35, 51, 53, 54, 58, 59, 60, 66, 77, 80, 82, 83, 90, 91})

_ANSWER = re.compile(r"[A-Za-z0-9+/=_.:-]{1,64}")
_NOW = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of it.

    status   of HTTP; 0 for no answer
    curl     with what it ended: 0, or why there was no answer; see RESOLVE, CONNECT, TIME_OUT, TLS
    said     the store's word for why it says no
    skew     seconds that the server's clock is ahead of the store's; None if it told no time
    answer   the receipt: Content-MD5 or ETag; "" for none
    version  of curl
    """

    status: int
    curl: int
    said: str
    skew: float | None
    answer: str
    version: str = ""


@dataclass(frozen=True)
class Reach(Program):
    """reach.sh with what it calls."""

    def text(self) -> bytes:
        """As Program.text: all of it in one function."""
        parts = (
            b"cloudpilot_main() {",
            quoted_words("set --", self.args),
            telling(self.secrets),
            *(source(f"{name}.sh") for name in ("words", "ending", "common", "curl", "reach")),
            b"}\ncloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


def reach(session: Session, request: Request, body: bytes, *, in_clear: bool) -> Reached:
    """Send `request` with `body` as an object of one part, from the server.

    That there is no answer, or a no, is a result. Raises ToolMissing without curl, CommandFailed,
    SshUnreachable.
    """
    whole = replace(request, headers=_filled(request, body), final=(), ask=())
    words = ("yes" if in_clear else "", b64encode(body[:LARGEST]).decode())
    program = Reach("reach", words, secrets={"request": Secret(line(whole))})
    return parse(session.run(program, timeout=SECONDS))


def parse(answer: bytes) -> Reached:
    """What reach.sh has said.

    >>> parse(b"now 1000000000.5\\nversion 7.88.1\\ncurl 0\\nstatus 200\\n"
    ...       b"date Sun, 09 Sep 2001 01:46:40 GMT\\nanswer abc\\nsaid \\nend\\n")
    Reached(status=200, curl=0, said='', skew=0.5, answer='abc', version='7.88.1')
    """
    told = [text.partition(" ") for text in lines(decode(answer, limit=len(answer)))]
    words = {word: rest.strip() for word, _, rest in told}
    if "end" not in words or not words.get("curl", "").isdecimal():
        raise CommandFailed("The server's answer about the store cannot be understood.")
    status, answered = words.get("status", ""), words.get("answer", "")
    return Reached(
        status=int(status) if re.fullmatch("[2-5][0-9][0-9]", status) else 0,
        curl=int(words["curl"][:3]),
        said=redacted(words.get("said", "")[:200]),
        skew=_skew(words),
        answer=answered if _ANSWER.fullmatch(answered) else "",
        version=words.get("version", "")[:40],
    )


def _skew(words: Mapping[str, str]) -> float | None:
    if not _NOW.fullmatch(words.get("now", "")):
        return None
    try:
        theirs: datetime = parsedate_to_datetime(words.get("date", ""))
        return float(words["now"]) - theirs.timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _filled(request: Request, body: bytes) -> Headers:
    """As a server fills in the headers of the only part."""
    digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    values = {"{md5}": digest, "{whole_md5}": digest, "{first}": "0",
              "{last}": str(len(body) - 1), "{total}": str(len(body))}  # fmt: skip
    return tuple(
        (name, reduce(lambda text, one: text.replace(*one), values.items(), text))
        for name, text in (*request.headers, *request.final)
    )
