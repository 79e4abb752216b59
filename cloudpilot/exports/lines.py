"""The text of an export: gzip of lines of JSON, a first one that says what follows, a last one that
says that this was all of it.

    {"format": "cloudpilot-export", "version": 1, "panel": …, "revision": …, "made_at": …, …}
    {"table": "servers", "row": {…}}
    {"end": true, "counts": {…}, "sha256": …, "proof": …}

`sha256` is of all lines before the last. `proof` is its HMAC under a key that only holders of the
recovery key and the panel have: anybody can encrypt for a recovery key, its public half is enough.
"""

import hashlib
import hmac
import json
import tomllib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cloudpilot.errors import ExportDamaged
from cloudpilot.exports.values import plain

FORMAT, VERSION = "cloudpilot-export", 1
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
GZIP = 31  # zlib's word for it
LEVEL = 5
CHUNK = 64 * 1024
LINE_AT_MOST = 32 * 1024 * 1024  # bytes
# Of text for a byte of gzip, beside the first so many bytes: ours has 5 to 50.
RATIO_AT_MOST, FREE = 200, 64 * 1024 * 1024


def panel_version() -> str:
    """The version of this panel."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def line(value: object) -> bytes:
    """One line of an export."""
    return json.dumps(value, default=plain, separators=(",", ":")).encode() + b"\n"


def proof(key: bytes, digest: bytes) -> str:
    """That whoever wrote these lines has the key.

    key  see domain.recovery.manifest_key
    """
    ours = hmac.digest(key, b"cloudpilot/export", "sha256")
    return hmac.digest(ours, digest, "sha256").hex()


class Packed:
    """The gzip of lines, made while it is read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines, self._gzip = lines, zlib.compressobj(LEVEL, wbits=GZIP)
        self._ready = bytearray()
        self._is_over = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; nothing is left once it answers with none."""
        while not self._is_over and (size < 0 or len(self._ready) < size):
            self._pack()
        count = len(self._ready) if size < 0 else size
        taken = bytes(self._ready[:count])
        del self._ready[:count]
        return taken

    def _pack(self) -> None:
        text = bytearray()
        for one in self._lines:
            text += one
            if len(text) >= CHUNK:
                self._ready += self._gzip.compress(bytes(text))
                return
        self._ready += self._gzip.compress(bytes(text)) + self._gzip.flush()
        self._is_over = True


class Unpacked:
    """Takes gzip and hands over line by line, in constant memory; raises ExportDamaged."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take, self._gzip = take, zlib.decompressobj(wbits=GZIP)
        self._packed, self._text = 0, 0
        self._begun = bytearray()

    def write(self, data: bytes) -> None:
        """More of it."""
        self._packed += len(data)
        while data:
            if self._gzip.eof:
                raise ExportDamaged("There is more after the end of the export.")
            try:
                text = self._gzip.decompress(data, CHUNK)
            except zlib.error as error:
                raise ExportDamaged("What is in it is no gzip.") from error
            data = self._gzip.unconsumed_tail or self._gzip.unused_data
            self._take_text(text)

    def finish(self) -> None:
        """It was all; raises ExportDamaged if it was not."""
        if not self._gzip.eof or self._begun:
            raise ExportDamaged("The export ends before its end.")

    def _take_text(self, text: bytes) -> None:
        self._text += len(text)
        if self._text > FREE + RATIO_AT_MOST * self._packed:
            raise ExportDamaged("It unpacks to far more than a panel has.")
        *whole, rest = text.split(b"\n")
        for one in whole:
            self._take(bytes(self._begun + one))
            self._begun.clear()
        self._begun += rest
        if len(self._begun) > LINE_AT_MOST:
            raise ExportDamaged("A line of it is longer than any row.")


class Digest:
    """Of all lines so far."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def take(self, one: bytes) -> None:
        """A line with its end."""
        self._sha256.update(one)

    def end(self, key: bytes, counts: dict[str, int]) -> dict[str, Any]:
        """The last line."""
        digest = self._sha256.digest()
        shown = {"sha256": digest.hex(), "proof": proof(key, digest)}
        return {"end": True, "counts": counts, **shown}
