"""A vault in S3: Amazon's, or any store that speaks its language."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from cloudpilot.connections import Wire
from cloudpilot.errors import (
    ChecksumMismatch,
    ObjectMissing,
    UploadIncomplete,
    UploadStillOpen,
    VaultUnreachable,
)
from cloudpilot.kinds import VaultKind
from cloudpilot.reports import CheckLine
from cloudpilot.secrets import Secret
from cloudpilot.vaults import (
    checks,
    keys,
    plans,
    policies,
    receipts,
    s3_deletion,
    s3_findings,
    s3_objects,
)
from cloudpilot.vaults.base import Abilities, Deletion, StoredObject, VerifiedBy
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.naming import disposition
from cloudpilot.vaults.s3_client import client, of_an_upload, translated
from cloudpilot.vaults.uploads import OpenUpload, PartRequest, Receipt, ReceivedPart, Upload

LONGEST = 7 * 24 * 3600  # seconds that a signature may be valid
ABORTS = 5  # attempts, while parts that were on their way arrive


class S3Vault:
    """Every object is sent as a multipart upload, one of a single part among them: a signed part
    is dead once the upload is completed, a signed PUT of the object would not be."""

    kind: ClassVar[VaultKind] = VaultKind.S3
    abilities = Abilities(parallel=8)

    def __init__(self, location: Location) -> None:
        self._location = location.judged()
        self._bucket, self._prefix = location.bucket, location.prefix
        self._s3 = client(location, self._endpoint(location))

    def _endpoint(self, location: Location) -> str:
        """ "" for the one that the library knows for the region."""
        return location.endpoint

    def begin(self, key: str, expected: int | None, *, streamed: bool = False) -> Upload:
        equal = self._location.equal_parts
        plan = plans.plan(expected, equal_parts=equal, streamed=streamed)
        with translated("begin an upload"):
            begun = self._s3.create_multipart_upload(
                **self._named(key), ContentType="application/octet-stream"
            )
            return Upload(key, Secret(str(begun["UploadId"])), plan, _is_opaque(begun))

    def requests_for(
        self, upload: Upload, first: int, count: int, *, seconds: int
    ) -> list[PartRequest]:
        last = min(first + count - 1, upload.plan.most_parts)
        return [
            PartRequest(
                number=number,
                offset=upload.plan.offset_of(number),
                size=upload.plan.size_of(number),
                url=self._signed("upload_part", seconds, PartNumber=number, **self._of(upload)),
                headers=(("Content-MD5", "{md5}"),),
            )
            for number in range(first, last + 1)
        ]

    def received(self, upload: Upload) -> list[ReceivedPart]:
        found = s3_objects.parts(self._s3, upload.id.reveal(), **self._place(upload.key))
        return [
            ReceivedPart(part["PartNumber"], part["Size"], receipts.bare(part["ETag"]))
            for part in found
        ]

    def complete(
        self, upload: Upload, sent: Sequence[Receipt], size: int, *, md5: str = ""
    ) -> StoredObject:
        receipts.judge(upload.plan, sent, size)
        if size == 0:
            self._send_nothing(upload)
        try:
            stored = self.received(upload)
        except UploadIncomplete:
            # It was completed, and the answer got lost; or there was never anything.
            as_parts = [ReceivedPart(receipt.number, receipt.size, receipt.md5) for receipt in sent]
            return self._made_before(upload.key, as_parts, size)
        verified = VerifiedBy.MD5_PARTS
        if size:
            verified = receipts.compare(sent, stored, opaque=upload.opaque)
        parts = [{"PartNumber": part.number, "ETag": part.etag} for part in stored]
        try:
            with of_an_upload("complete an upload"):
                made = self._s3.complete_multipart_upload(
                    **self._of(upload), MultipartUpload={"Parts": parts}
                )
        except UploadIncomplete:
            if self._is_open(upload):
                raise
            # The library asks again by itself when an answer is lost: its first call has made it.
            return self._made_before(upload.key, stored, size)
        return self._proven(upload.key, stored, size, verified, made.get("VersionId") or "")

    def _is_open(self, upload: Upload) -> bool:
        try:
            self.received(upload)
        except UploadIncomplete:
            return False
        return True

    def _send_nothing(self, upload: Upload) -> None:
        """The one empty part of an empty object; already completed is no error."""
        try:
            with of_an_upload("send an empty part"):
                self._s3.upload_part(**self._of(upload), PartNumber=1, Body=b"")
        except UploadIncomplete:
            return

    def _made_before(self, key: str, parts: Sequence[ReceivedPart], size: int) -> StoredObject:
        """The object of an upload that is no longer open, if that is what lies there."""
        try:
            found = self.stat(key)
        except ObjectMissing as error:
            raise UploadIncomplete("The upload is no longer open, and made no object.") from error
        if found.size == size and found.etag == receipts.composite([part.etag for part in parts]):
            return replace(found, verified_by=VerifiedBy.MD5_PARTS)
        other = receipts.contradicts(found.etag, parts) and not self._is_encrypted(key)
        if found.size != size or other:
            raise ChecksumMismatch("The upload is no longer open, and another object lies there.")
        return replace(found, verified_by=VerifiedBy.MD5_PER_BLOCK)

    def _is_encrypted(self, key: str) -> bool:
        """By a key of the customer's or of KMS: then an ETag only looks like an MD5."""
        return _is_opaque(s3_objects.head(self._s3, **self._place(key)))

    def _proven(
        self, key: str, parts: Sequence[ReceivedPart], size: int, how: VerifiedBy, version: str
    ) -> StoredObject:
        found = self.stat(key)
        version = version or found.version
        plain = how is VerifiedBy.MD5_PARTS
        if found.size != size or (plain and receipts.contradicts(found.etag, parts)):
            self.delete(key, version)
            raise ChecksumMismatch(f"The store made {found.size} bytes that are not what was sent.")
        return replace(found, version=version, verified_by=how)

    def abort(self, upload: Upload) -> None:
        for _attempt in range(ABORTS):
            try:
                with of_an_upload("abort an upload"):
                    self._s3.abort_multipart_upload(**self._of(upload))
                self.received(upload)
            except UploadIncomplete:
                return
        raise UploadStillOpen("Parts keep arriving for an upload that was aborted.")

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        begins = keys.beginning(self._prefix, prefix)
        with translated("list the open uploads"):
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=begins
            )
            for page in pages:
                for found in page.get("Uploads", []):
                    key = keys.relative(self._prefix, prefix, found["Key"])
                    upload = Upload(key, Secret(found["UploadId"]), plans.plan(None))
                    yield OpenUpload(key, upload, found.get("Initiated"))

    def stat(self, key: str) -> StoredObject:
        found = s3_objects.head(self._s3, **self._place(key))
        with translated("look at an object"):
            return _stored(key, found["ContentLength"], found["LastModified"], found)

    def sign_read(self, key: str, *, seconds: int, filename: str, version: str = "") -> Secret:
        more = {"VersionId": version} if version else {}
        shown = disposition(filename)
        named = self._named(key)
        return self._signed(
            "get_object", seconds, ResponseContentDisposition=shown, **named, **more
        )

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        begins = keys.beginning(self._prefix, prefix)
        with translated("list objects"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=begins
            )
            for page in pages:
                for found in page.get("Contents", []):
                    key = keys.relative(self._prefix, prefix, found["Key"])
                    yield _stored(key, found["Size"], found["LastModified"], found)

    def delete(self, key: str, version: str = "") -> Deletion:
        name = keys.whole(self._prefix, key)
        return s3_deletion.delete(self._s3, self._bucket, name, version)

    def check(self, key: str = "") -> Sequence[CheckLine]:
        wire = Wire(private=self._location.private, unreachable=VaultUnreachable)
        trial = checks.trial(self, wire, key, in_clear=self._location.in_clear)
        return [*trial, *s3_findings.findings(self._s3, self._bucket, self._prefix)]

    def policy(self) -> str:
        return policies.s3(self._bucket, self._prefix)

    def _place(self, key: str) -> dict[str, str]:
        return {"bucket": self._bucket, "name": keys.whole(self._prefix, key)}

    def _named(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": keys.whole(self._prefix, key)}

    def _of(self, upload: Upload) -> dict[str, Any]:
        return {**self._named(upload.key), "UploadId": upload.id.reveal()}

    def _signed(self, operation: str, seconds: int, **parameters: Any) -> Secret:
        seconds = max(1, min(seconds, LONGEST))
        return Secret(self._s3.generate_presigned_url(operation, parameters, ExpiresIn=seconds))


def _is_opaque(said: Mapping[str, Any]) -> bool:
    """Whether the store says that it encrypts by a key of KMS or of the customer's."""
    kms = str(said.get("ServerSideEncryption", "")).startswith("aws:kms")
    return kms or "SSECustomerAlgorithm" in said


def _stored(key: str, size: int, at: datetime, found: Mapping[str, Any]) -> StoredObject:
    etag = receipts.bare(found.get("ETag", ""))
    return StoredObject(key, size, at, etag, found.get("VersionId") or "")
