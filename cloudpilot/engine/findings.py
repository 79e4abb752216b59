"""What remote/probe.sh answers, sorted by its words."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloudpilot.engine import tmpfiles
from cloudpilot.errors import CommandFailed
from cloudpilot.text import decode, lines


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of remote/probe.sh, by its words, and what it is judged against."""

    said: Mapping[str, str]
    tools: frozenset[str]
    tar_knows: frozenset[str]
    rules: tuple[tmpfiles.Rule, ...]
    root: str
    retention_days: int
    now: float  # by our clock

    @property
    def free(self) -> int:
        """Bytes that we may still write in the backup directory."""
        blocks = self.numbers("blocks")
        return blocks[0] * blocks[2] if len(blocks) == 3 else 0

    def numbers(self, word: str) -> list[int]:
        return [int(one) for one in self.said.get(word, "").split() if one.isdecimal()]

    def install(self, apt: str, dnf: str = "") -> str:
        """The command that installs a package here."""
        if "apt-get" in self.tools:
            return f"apt-get install {apt}"
        return f"dnf install {dnf or apt}"


def read(answer: bytes, backup_root: str, retention_days: int, now: float) -> Found:
    """The answer, sorted; raises CommandFailed if it is not whole."""
    said: dict[str, str] = {}
    lists: dict[str, list[str]] = {"tool": [], "tar_knows": []}
    rules: list[tuple[str, list[str]]] = []
    for line in lines(decode(answer, limit=len(answer))):
        word, _, text = line.partition(" ")
        if word in lists:
            lists[word].append(text)
        elif word == "rules":
            rules.append((text, []))
        elif word == "rule" and rules:
            rules[-1][1].append(text)
        else:
            said[word] = text
    if "end" not in said or "now" not in said:
        raise CommandFailed("The server's answer to the check is not whole.")
    in_force = tuple(tmpfiles.in_force(rules))
    tools, knows = frozenset(lists["tool"]), frozenset(lists["tar_knows"])
    return Found(said, tools, knows, in_force, backup_root, retention_days, now)
