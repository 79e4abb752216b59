"""A vault in Azure: blocks of one blob, whose name nobody can guess."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from cloudpilot import clock
from cloudpilot.connections import Wire
from cloudpilot.errors import (
    ChecksumMismatch,
    ObjectMissing,
    UploadIncomplete,
    VaultRefused,
    VaultUnreachable,
)
from cloudpilot.kinds import VaultKind
from cloudpilot.reports import CheckLine
from cloudpilot.secrets import Secret
from cloudpilot.vaults import azure_abort, azure_deletion, checks, keys, plans, policies, receipts
from cloudpilot.vaults.azure_client import endpoint, service, translated
from cloudpilot.vaults.base import Abilities, Deletion, StoredObject, VerifiedBy
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.naming import disposition
from cloudpilot.vaults.uploads import OpenUpload, PartRequest, Receipt, ReceivedPart, Upload

LONGEST = 6 * 3600  # seconds: who has a signature can replace the blob until it ends
LONGEST_READ = 7 * 24 * 3600
_BLOCK = re.compile(r"\d{6}")


class AzureVault:
    """Azure cannot sign a request for one block: a signature is for everything that `w` allows on
    one blob. So the blob's name is a secret, signatures are short, and the ETag is looked at again
    after the last one has ended (`StoredObject.is_still`)."""

    kind: ClassVar[VaultKind] = VaultKind.AZURE_BLOB
    abilities = Abilities(parallel=8, key_is_secret=True)

    def __init__(self, location: Location) -> None:
        self._location = location.judged()
        self._prefix = location.prefix
        self._service = service(location)
        self._container = self._service.get_container_client(location.bucket)

    def begin(self, key: str, expected: int | None, *, streamed: bool = False) -> Upload:
        plan = plans.plan(expected, streamed=streamed)
        keys.whole(self._prefix, key)
        with translated("begin an upload"):
            self._container.get_container_properties()
        key = azure_abort.unguessable(key)
        return Upload(key, Secret(""), plan)

    def requests_for(
        self, upload: Upload, first: int, count: int, *, seconds: int
    ) -> list[PartRequest]:
        last = min(first + count - 1, upload.plan.most_parts)
        url = self._signed(upload.key, min(seconds, LONGEST), write=True)
        return [
            PartRequest(
                number=number,
                offset=upload.plan.offset_of(number),
                size=upload.plan.size_of(number),
                url=Secret(f"{url}&comp=block&blockid={quote(_encoded(number), safe='')}"),
                headers=(("Content-MD5", "{md5}"),),
            )
            for number in range(first, last + 1)
        ]

    def received(self, upload: Upload) -> list[ReceivedPart]:
        """Azure cannot tell an upload that was aborted from one of which nothing has arrived."""
        return list(self._blocks(upload.key, "uncommitted"))

    def complete(
        self, upload: Upload, sent: Sequence[Receipt], size: int, *, md5: str = ""
    ) -> StoredObject:
        receipts.judge(upload.plan, sent, size)
        for receipt in sent:
            if receipt.answer and receipt.answer != receipts.base64_md5(receipt.md5):
                raise ChecksumMismatch(f"The store took other bytes as part {receipt.number}.")
        blocks = self._blocks(upload.key, "uncommitted")
        if not blocks and self._is_there(upload.key):
            return self._proven(upload.key, sent, size)  # completed before; the answer got lost
        receipts.compare(sent, blocks)
        try:
            etag = self._commit(upload.key, [_name(block.number) for block in blocks], md5)
        except VaultRefused:
            if not self._is_there(upload.key):
                raise  # else it is looked at whether that is what was sent
            return self._proven(upload.key, sent, size)
        stored = self._proven(upload.key, sent, size)
        if stored.etag != etag:
            raise ChecksumMismatch("Another object has taken the place of what was completed.")
        return stored

    def _commit(self, key: str, names: list[str], md5: str) -> str:
        """The ETag of what it made."""
        from azure.core import MatchConditions  # noqa: PLC0415
        from azure.storage.blob import BlobBlock, ContentSettings  # noqa: PLC0415

        whole = bytearray.fromhex(md5) if receipts.MD5.fullmatch(md5) else None
        settings = ContentSettings(content_type="application/octet-stream", content_md5=whole)
        with translated("complete an upload"):
            made = self._blob(key).commit_block_list(
                [BlobBlock(name) for name in names],
                content_settings=settings,
                match_condition=MatchConditions.IfMissing,
            )
            return receipts.bare(made["etag"])

    def _proven(self, key: str, sent: Sequence[Receipt], size: int) -> StoredObject:
        found, blocks = self.stat(key), self._blocks(key, "committed")
        receipts.compare(sent, blocks)
        if found.size != size:
            raise ChecksumMismatch(f"The store made {found.size} bytes of {size}.")
        return replace(found, verified_by=VerifiedBy.MD5_PER_BLOCK)

    def abort(self, upload: Upload) -> None:
        azure_abort.abort(self._blob(upload.key))

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        begins = keys.beginning(self._prefix, prefix)
        with translated("list the open uploads"):
            for found in azure_abort.uncommitted(self._container, begins):
                key = keys.relative(self._prefix, prefix, found.name)
                yield OpenUpload(key, Upload(key, Secret(""), plans.plan(None)), None)

    def stat(self, key: str) -> StoredObject:
        with translated("look at an object"):
            return _stored(key, self._blob(key).get_blob_properties())

    def sign_read(self, key: str, *, seconds: int, filename: str, version: str = "") -> Secret:
        seconds = min(seconds, LONGEST_READ)
        return Secret(self._signed(key, seconds, filename=filename, version=version))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        begins = keys.beginning(self._prefix, prefix)
        with translated("list objects"):
            for found in self._container.list_blobs(
                name_starts_with=begins, results_per_page=1_000
            ):
                yield _stored(keys.relative(self._prefix, prefix, found.name), found)

    def delete(self, key: str, version: str = "") -> Deletion:
        return azure_deletion.delete(self._service, self._blob(key))

    def check(self, key: str = "") -> Sequence[CheckLine]:
        wire = Wire(private=self._location.private, unreachable=VaultUnreachable)
        trial = checks.trial(self, wire, key, in_clear=self._location.in_clear)
        return [*trial, *azure_deletion.findings(self._service, self._container)]

    def policy(self) -> str:
        return policies.azure(self._location.key_id, self._location.bucket)

    def _blob(self, key: str) -> Any:
        return self._container.get_blob_client(keys.whole(self._prefix, key))

    def _is_there(self, key: str) -> bool:
        try:
            self.stat(key)
        except ObjectMissing:
            return False
        return True

    def _blocks(self, key: str, kind: str) -> Sequence[ReceivedPart]:
        """Blocks in order; raises UploadIncomplete if there are some that are none of ours."""
        try:
            with translated("list the parts of an upload"):
                committed, uncommitted = self._blob(key).get_block_list(kind)
        except ObjectMissing:
            return []
        found = committed if kind == "committed" else uncommitted
        if not all(_BLOCK.fullmatch(block.id) for block in found):
            raise UploadIncomplete("The upload has parts that nobody was asked for.")
        parts = [ReceivedPart(int(block.id), int(block.size)) for block in found]
        return sorted(parts, key=lambda part: part.number)

    def _signed(
        self, key: str, seconds: int, *, write: bool = False, filename: str = "", version: str = ""
    ) -> str:
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas  # noqa: PLC0415

        location, name = self._location, keys.whole(self._prefix, key)
        signature = generate_blob_sas(
            location.key_id,
            location.bucket,
            name,
            account_key=location.secret.reveal(),
            permission=BlobSasPermissions(write=write, read=not write),
            expiry=clock.now() + timedelta(seconds=max(1, seconds)),
            protocol="https" if not location.in_clear else None,
            content_disposition=disposition(filename) if filename else None,
        )
        chosen = f"versionid={quote(version, safe='')}&" if version else ""
        return f"{endpoint(location)}/{location.bucket}/{quote(name)}?{chosen}{signature}"


def _name(number: int) -> str:
    """A block's name; all are equally long, as Azure wants them."""
    return f"{number:06d}"


def _encoded(number: int) -> str:
    return b64encode(_name(number).encode()).decode()


def _stored(key: str, found: Any) -> StoredObject:
    at = found.last_modified or datetime.now(UTC)
    etag = receipts.bare(found.etag or "")
    return StoredObject(key, int(found.size or 0), at, etag, found.version_id or "")
