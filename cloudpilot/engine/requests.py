"""Signed requests on their way to a server, as lines that remote/curl.sh reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret
from cloudpilot.text import has_controls

NAMES = ("archive", "index", "manifest")  # of items, in the order in which they are sent
BETWEEN = "\x1f"  # the words of a request: no address and no header may hold it
LONGEST = 10**7  # seconds

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One signed request for one part; see vaults.uploads.PartRequest, which it is made from."""

    number: int
    url: Secret
    headers: Headers
    method: str = "PUT"
    final: Headers = ()  # more headers, for the last part only
    ask: Headers = ()  # of an empty request that asks how far the store has got


def secrets(requests: Mapping[str, Sequence[Request]], *, seconds: int) -> dict[str, Secret]:
    """By the name of the item, for `detached.launch`; valid for so many seconds from now."""
    if not set(requests) <= set(NAMES) or not 0 < seconds <= LONGEST:
        raise InvalidConfig("Requests are for an item, and for a time.")
    return {
        name: Secret("\n".join((str(int(seconds)), *map(line, some), "")))
        for name, some in requests.items()
    }


def line(request: Request) -> str:
    """All of it; raises InvalidConfig for what would be read as something else.

    >>> line(Request(1, Secret("https://s/x?sig=1"), (("Content-MD5", "{md5}"),))).split(BETWEEN)
    ['1', 'PUT', 'https://s/x?sig=1', '1', 'Content-MD5', '{md5}', '0', '0']
    """
    words = [str(int(request.number)), request.method, request.url.reveal()]
    for headers in (request.headers, request.final, request.ask):
        words += [str(len(headers)), *(word for pair in headers for word in pair)]
    if any(has_controls(word) for word in words) or not all(words):
        raise InvalidConfig("A signed request holds a control character, or nothing.")
    return BETWEEN.join(words)
