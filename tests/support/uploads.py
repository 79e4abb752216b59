"""Uploads as the panel makes them: a vault of a real store, and a server that sends by itself."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from cloudpilot.connections import Answer
from cloudpilot.engine import detached, uploading
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.uploading import Item, Request, Sending, Sent
from cloudpilot.reports import Report
from cloudpilot.secrets import Secret
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.plans import MIB, PartPlan
from cloudpilot.vaults.uploads import PartRequest, Receipt, Upload
from tests.support import curl
from tests.support.until import until

NAMES = {"archive": "a.tar.gz", "index": "a.tar.gz.index.gz", "manifest": "manifest.json"}
PART = 5 * MIB  # S3 takes no smaller one, but for the last
TIERS = ((PART, 10_000),)


def request(signed: PartRequest) -> Request:
    """What the panel hands on."""
    words = (signed.headers, signed.method, signed.final, signed.ask)
    return Request(signed.number, signed.url, *words)


@dataclass
class Transfer:
    """One backup, and its upload to a vault.

    through  another address in place of the store's, `host:port`: a proxy's
    """

    session: Session
    root: Path
    vault: Vault
    tiers: tuple[tuple[int, int], ...] = TIERS
    seconds: int = 600
    through: tuple[str, str] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    backup_id: str = field(default_factory=lambda: f"b-{uuid4().hex[:8]}")
    uploads: dict[str, Upload] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    run: int = 0

    @property
    def folder(self) -> Path:
        return self.root / self.backup_id

    def write(self, archive: bytes, index: bytes = b"index", manifest: bytes = b"{}") -> None:
        """A finished backup."""
        self.folder.mkdir(parents=True, mode=0o700)
        self.root.chmod(0o700)
        self.contents = {"archive": archive, "index": index, "manifest": manifest}
        for name, content in self.contents.items():
            (self.folder / NAMES[name]).write_bytes(content)

    def begin(self, *names: str) -> None:
        """At the store."""
        for name in names or NAMES:
            begun = self.vault.begin(f"{self.backup_id}/{NAMES[name]}", None)
            self.uploads[name] = replace(begun, plan=PartPlan(self.tiers))

    def signed(self, name: str, first: int = 1, count: int = 20) -> list[Request]:
        seconds = self.seconds
        some = self.vault.requests_for(self.uploads[name], first, count, seconds=seconds)
        return [self._elsewhere(request(one)) for one in some]

    def _elsewhere(self, one: Request) -> Request:
        if not self.through:
            return one
        before, after = self.through
        host = ("Host", before)
        url = Secret(one.url.reveal().replace(before, after))
        ask = (*one.ask, host) if one.ask else ()
        return replace(one, url=url, headers=(*one.headers, host), ask=ask)

    def all_signed(self, **more: int) -> dict[str, list[Request]]:
        return {name: self.signed(name, **more) for name in self.uploads}

    def sending(self, **changes: Any) -> Sending:
        archive = self.contents.get("archive", b"")
        abilities = self.vault.abilities
        known: dict[str, Any] = {"following": None, "size": len(archive),
                                 "sha256": sha256(archive).hexdigest()}  # fmt: skip
        items = tuple(Item(name, NAMES[name], self.tiers) for name in self.uploads)
        known |= {"parallel": 4, "whole_md5": abilities.needs_whole_md5, "in_clear": True}
        return Sending(upload_id="u1", items=items, **(known | self.settings | changes))

    def start(
        self, requests: Mapping[str, Sequence[Request]] | None = None, **changes: Any
    ) -> Place:
        """A new run."""
        self.run += 1
        place = Place(str(self.root), self.backup_id, f"u{self.run}")
        told = self.all_signed() if requests is None else requests
        files = uploading.files(self.sending(**changes))
        detached.launch(self.session, place, files, uploading.secrets(told, seconds=self.seconds))
        return place

    def look(self, place: Place) -> Report:
        return detached.look(self.session, place)

    def over(self, place: Place, *, seconds: float = 60) -> Report:
        return until(lambda: self.look(place), lambda report: report.over, seconds=seconds)

    def sent(self, place: Place) -> Mapping[str, Sent]:
        return uploading.sent(self.session, place, "u1")

    def complete(self, place: Place) -> dict[str, StoredObject]:
        """With the receipts; every object is what was written."""
        made = {}
        receipts = self.sent(place)
        assert list(receipts) == list(self.uploads)
        for name, said in receipts.items():
            content = self.contents[name]
            assert (said.size, said.sha256) == (len(content), sha256(content).hexdigest())
            parts = self.receipts_of(said)
            stored = self.vault.complete(self.uploads[name], parts, said.size, md5=said.md5)
            assert self.read(stored.key) == content
            made[name] = stored
        return made

    @staticmethod
    def receipts_of(said: Sent) -> list[Receipt]:
        return [Receipt(*part) for part in said.parts]

    def read(self, key: str) -> bytes:
        url = self.vault.sign_read(key, seconds=60, filename="x")
        answer = curl.send("GET", url.reveal())
        assert answer.status == 200
        return answer.body

    def succeeds(self, place: Place, *, seconds: float = 60) -> dict[str, StoredObject]:
        report = self.over(place, seconds=seconds)
        assert report.error is None, (report.error, report.log)
        return self.complete(place)

    def feed(self, place: Place, requests: Mapping[str, Sequence[Request]]) -> None:
        uploading.feed(self.session, place, requests, seconds=self.seconds)

    def sent_by_hand(self, one: Request) -> Answer:
        """What the store says to it."""
        return curl.send(one.method, one.url.reveal(), one.headers, b"x")

    def receipts(self, name: str = "archive") -> list[str]:
        """Their lines, as they are at the server."""
        file = self.folder / "upload-u1" / name
        return file.read_text().splitlines() if file.exists() else []


def marked(place: Place) -> dict[int, str]:
    """Every process of a run, and its name."""
    mark = f"CLOUDPILOT_RUN={place.backup_id}/{place.run_id}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "comm").read_text().strip()
    return found
