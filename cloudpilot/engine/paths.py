"""What is now at the paths that are to be backed up."""

from collections.abc import Sequence

from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.kinds import Privilege
from cloudpilot.text import decode, lines

SECONDS = 10
AT_MOST = 500  # paths
KINDS = {"there", "absent", "link", "closed", "hidden"}


def look(session: Session, paths: Sequence[str], privilege: Privilege) -> dict[str, str]:
    """Of each path, of the first AT_MOST, one of KINDS; see paths.sh.

    Raises CommandFailed if the answer is not whole; SshUnreachable.
    """
    asked = tuple(paths[:AT_MOST])
    if not asked:
        return {}
    answer = session.run(Program("paths", (privilege.value, *asked)), timeout=SECONDS)
    return understood(answer, asked)


def understood(answer: bytes, asked: Sequence[str]) -> dict[str, str]:
    """
    >>> understood(b"path 0 there\\npath 1 absent\\nend\\n", ["/a", "/b"])
    {'/a': 'there', '/b': 'absent'}
    """
    *said, end = [line for line in lines(decode(answer)) if line] or [""]
    words = [line.split(" ") for line in said if line.startswith("path ")]
    kinds = [one[2] for one in words if len(one) == 3 and one[2] in KINDS]
    if end != "end" or len(kinds) != len(asked):
        raise CommandFailed("The server's answer about paths is not whole.")
    return dict(zip(asked, kinds, strict=True))
