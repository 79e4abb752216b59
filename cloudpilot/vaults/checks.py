"""The check of a vault: what a backup will do there is done once, with a small object.

It goes the way of a backup: signed requests, sent as a server's curl would send them.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol
from uuid import uuid4

from cloudpilot import clock
from cloudpilot.connections import Answer
from cloudpilot.errors import CloudPilotError, UploadFailed
from cloudpilot.reports import CheckLine, Grade
from cloudpilot.vaults.base import Fate, StoredObject, Vault
from cloudpilot.vaults.receipts import bare, base64_md5
from cloudpilot.vaults.uploads import PartRequest, Receipt, Upload

CONTENT = b"CloudPilot has written this to see whether it can. It may be deleted.\n"
MOST_SKEW = timedelta(minutes=5)  # S3 refuses a signature that is 15 minutes off
MAY_NOT_ASK = "Allow what the vault's policy lists for the check, or look at the provider yourself."
TRIALS = "cloudpilot-check/"
_KEY = re.compile(rf"{TRIALS}[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}")
SECONDS = 300  # that the signed requests are valid


class Sends(Protocol):
    """`connections.Wire`, or a vault in memory."""

    def send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer: ...


def new_key() -> str:
    """The folder of all that one check writes."""
    return f"{TRIALS}{uuid4()}"


def is_key(key: str) -> bool:
    """Whether it is one of `new_key`."""
    return bool(_KEY.fullmatch(key))


def trial(vault: Vault, wire: Sends, key: str, *, in_clear: bool) -> list[CheckLine]:
    """The lines of writing, reading, listing and deleting; the first that fails is the last."""
    return _Trial(vault, wire, key or new_key()).lines(in_clear=in_clear)


class _Trial:
    def __init__(self, vault: Vault, wire: Sends, name: str) -> None:
        self._vault, self._wire, self._name = vault, wire, name
        self._upload: Upload | None = None
        self._stored: StoredObject | None = None
        self._date = ""

    def lines(self, *, in_clear: bool) -> list[CheckLine]:
        steps: list[tuple[str, Callable[[], CheckLine]]] = [
            ("write", self._write),
            ("read", self._read),
            ("list", self._list),
            ("delete", self._delete),
            ("abort", self._abort),
        ]
        lines = [_encryption(in_clear=in_clear)]
        for about, step in steps:
            try:
                lines.append(step())
            except CloudPilotError as error:
                lines.append(failed(about, error))
                self._clean_up()
                break
        return [*lines, *_clock_line(self._date)]

    def _write(self) -> CheckLine:
        self._upload = self._vault.begin(f"{self._name}/object", len(CONTENT))
        [request] = self._vault.requests_for(self._upload, 1, 1, seconds=SECONDS)
        digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        headers = filled(request, len(CONTENT), digest, total=len(CONTENT), whole_md5=digest)
        answer = self._wire.send(request.method, request.url.reveal(), headers, CONTENT)
        self._date = answer.headers.get("date", "")
        if not 200 <= answer.status < 300:
            raise UploadFailed(f"The store answered {answer.status} to a signed request.")
        told = answer.headers.get("content-md5") or bare(answer.headers.get("etag", ""))
        receipt = Receipt(1, len(CONTENT), digest, told)
        self._stored = self._vault.complete(self._upload, [receipt], len(CONTENT), md5=digest)
        how = self._stored.verified_by
        return _ok("write", f"A small object was sent by a signed request and proven ({how}).")

    def _read(self) -> CheckLine:
        key = self._key()
        url = self._vault.sign_read(key, seconds=SECONDS, filename="cloudpilot-check.txt")
        answer = self._wire.send("GET", url.reveal())
        if answer.status != 200 or answer.body != CONTENT:
            raise UploadFailed(f"Reading it back by a signed address was answered {answer.status}.")
        return _ok("read", "It came back as it was sent.")

    def _list(self) -> CheckLine:
        key = self._key()
        if key not in [found.key for found in self._vault.list(key)]:
            raise UploadFailed("The object is there and the list does not have it.")
        return _ok("list", "The list of objects has it.")

    def _delete(self) -> CheckLine:
        stored = self._stored
        deletion = self._vault.delete(self._key(), stored.version if stored else "")
        if deletion.fate is Fate.GONE:
            return _ok("delete", "It was deleted and is gone.")
        until = f" until {deletion.until:%Y-%m-%d}" if deletion.until else ""
        if deletion.fate is Fate.KEPT:
            sentence = f"It was deleted; the provider keeps deleted objects{until}, and charges."
            remedy = "Nothing to do if that is meant. Backups are called gone when it has ended."
        else:
            sentence = f"A lock forbids to delete objects{until}."
            remedy = "Nothing to do if that is meant: an expired backup stays until its lock ends."
        return CheckLine("delete", Grade.WARNING, sentence, remedy)

    def _abort(self) -> CheckLine:
        upload = self._vault.begin(f"{self._name}/given-up", len(CONTENT))
        return self._is_aborted(upload)

    def _is_aborted(self, upload: Upload) -> CheckLine:
        self._vault.abort(upload)
        if not self._vault.abilities.lists_open:
            return _ok("abort", "An upload was begun and forgotten.")
        if upload.key in [found.key for found in self._vault.open_uploads(TRIALS)]:
            raise UploadFailed("An upload that was aborted is still open.")
        return _ok("abort", "An upload was begun and aborted, and the list has none of it.")

    def _key(self) -> str:
        return self._stored.key if self._stored else ""

    def _clean_up(self) -> None:
        if self._upload:
            with suppress(CloudPilotError):
                self._vault.abort(self._upload)
            with suppress(CloudPilotError):
                self._vault.delete(self._upload.key)


def filled(
    request: PartRequest, size: int, md5: str, *, total: int | None, whole_md5: str = ""
) -> list[tuple[str, str]]:
    """The headers of a request with `size` bytes of this MD5 in it.

    total  bytes of the whole object, if this is its last part; None before that
    """
    last = request.offset + size - 1
    values = {
        "md5": base64_md5(md5),
        "whole_md5": base64_md5(whole_md5) if whole_md5 else "",
        "first": str(request.offset),
        "last": str(last),
        "total": "*" if total is None else str(total),
    }
    headers = request.headers if total is None else (*request.headers, *request.final)
    return [(name, value.format(**values)) for name, value in headers]


def failed(about: str, error: CloudPilotError) -> CheckLine:
    """The line of a step that has failed."""
    return CheckLine(about, Grade.FAILED, str(error), error.remedy, error.code)


def unknown(about: str, sentence: str) -> CheckLine:
    """The line of something that this key may not ask."""
    return CheckLine(about, Grade.WARNING, sentence, MAY_NOT_ASK)


def _ok(about: str, sentence: str) -> CheckLine:
    return CheckLine(about, Grade.OK, sentence)


def _encryption(*, in_clear: bool) -> CheckLine:
    if not in_clear:
        return _ok("encryption", "Backups travel by https.")
    sentence = "The endpoint is http: backups and signed requests travel in clear."
    return CheckLine("encryption", Grade.WARNING, sentence, "Use https if the store offers it.")


def _clock_line(date: str) -> list[CheckLine]:
    """How far our clock is from the store's; nothing if the store does not tell its time."""
    try:
        theirs: datetime = parsedate_to_datetime(date)
        skew = abs(theirs - clock.now())
    except (TypeError, ValueError):
        return []
    seconds = round(skew.total_seconds())
    if skew <= MOST_SKEW:
        return [_ok("clock", f"The panel's clock and the store's are {seconds} seconds apart.")]
    sentence = f"The panel's clock and the store's are {seconds} seconds apart."
    remedy = "Set the panel's clock: a store refuses signatures that are some minutes off."
    return [CheckLine("clock", Grade.FAILED, sentence, remedy)]
