"""engine.paths: what is at the paths that are to be backed up, as who backs them up sees it."""

from uuid import uuid4

import pytest

from cloudpilot.engine import paths
from cloudpilot.errors import CommandFailed
from cloudpilot.kinds import Privilege
from tests.support.sshd import Sshd


def test_each_path_is_what_a_backup_would_find(plain_server: Sshd) -> None:
    top = plain_server.user_home / f"paths-{uuid4().hex[:8]}"
    for name in ("there", "closed/in", "it's $(odd)\n"):
        (top / name).mkdir(parents=True)
    (top / "link").symlink_to("there")
    (top / "file").touch()
    (top / "closed").chmod(0)
    kinds = {
        "there": "there",
        "it's $(odd)\n": "there",
        "file": "there",
        "link": "link",
        "closed": "closed",
        "closed/in": "closed",
        "gone": "absent",
        "file/below": "absent",
    }
    asked = [str(top / name) for name in kinds]
    with plain_server.session() as session:
        assert list(paths.look(session, asked, Privilege.PLAIN).values()) == list(kinds.values())
        seen = paths.look(session, asked, Privilege.READ_ALL)  # by a tar that may, not by us
        assert (seen[str(top / "closed")], seen[str(top / "closed/in")]) == ("there", "hidden")
        assert paths.look(session, [], Privilege.PLAIN) == {}


@pytest.mark.parametrize("answer", [b"", b"path 0 there\n", b"path 0 odd\nend\n", b"end\n"])
def test_an_answer_that_is_not_whole_is_refused(answer: bytes) -> None:
    with pytest.raises(CommandFailed):
        paths.understood(answer, ["/srv"])
