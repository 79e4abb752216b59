"""A vault in Google Cloud Storage: one resumable session for each upload, its chunks in order."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cloudpilot.connections import Wire
from cloudpilot.errors import (
    ChecksumMismatch,
    ObjectMissing,
    UploadIncomplete,
    UploadStillOpen,
    VaultUnreachable,
)
from cloudpilot.keyfile import key_file
from cloudpilot.kinds import VaultKind
from cloudpilot.reports import CheckLine
from cloudpilot.secrets import Secret
from cloudpilot.vaults import checks, gcs_deletion, keys, plans, policies, receipts
from cloudpilot.vaults import gcs_session as session
from cloudpilot.vaults.base import Abilities, Deletion, StoredObject, VerifiedBy
from cloudpilot.vaults.gcs_client import HOST, bucket, patience, translated
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.naming import disposition
from cloudpilot.vaults.uploads import OpenUpload, PartRequest, Receipt, ReceivedPart, Upload

LONGEST = 7 * 24 * 3600  # seconds that a signature may be valid, and that a session lives


class GcsVault:
    """The session's address is the right to write: valid for a week, for one key, which must be
    new (`ifGenerationMatch=0`). The last chunk makes the object; `complete` proves it."""

    kind: ClassVar[VaultKind] = VaultKind.GCS
    abilities = Abilities(
        parallel=1,
        needs_whole_md5=True,
        visible_with_last_part=True,
        requests_expire=False,
        lists_open=False,
    )

    def __init__(self, location: Location) -> None:
        self._location = location.judged()
        self._prefix, self._endpoint = location.prefix, location.endpoint or HOST
        self._account = key_file(location.secret)["client_email"]
        self._bucket = bucket(location)
        self._wire = Wire(private=location.private, unreachable=VaultUnreachable)

    def begin(self, key: str, expected: int | None, *, streamed: bool = False) -> Upload:
        plan = plans.plan(expected, streamed=streamed)
        with translated("begin an upload"):
            address = self._blob(key).create_resumable_upload_session(
                content_type="application/octet-stream",
                checksum=None,
                if_generation_match=0,
                **patience(),
            )
        return Upload(key, Secret(session.judged(address, self._endpoint)), plan)

    def requests_for(
        self, upload: Upload, first: int, count: int, *, seconds: int
    ) -> list[PartRequest]:
        last = min(first + count - 1, upload.plan.most_parts)
        return [session.request(upload, number) for number in range(first, last + 1)]

    def received(self, upload: Upload) -> list[ReceivedPart]:
        so_far = session.ask(self._wire, upload)
        if so_far is None:
            raise UploadIncomplete("The upload is no longer open.")
        return [
            ReceivedPart(number, size)
            for number, size in enumerate(upload.plan.cut(so_far), start=1)
        ]

    def complete(
        self, upload: Upload, sent: Sequence[Receipt], size: int, *, md5: str = ""
    ) -> StoredObject:
        receipts.judge(upload.plan, sent, size)
        whole = md5 or (sent[0].md5 if len(sent) == 1 else "")
        if size == 0:
            whole = receipts.MD5_OF_NOTHING
            session.finish(self._wire, upload, 0)
        if not receipts.MD5.fullmatch(whole):
            raise UploadIncomplete("The MD5 of the whole object was not told.")
        try:
            found = self._found(upload.key)
        except ObjectMissing as error:
            raise UploadIncomplete("The last part has not arrived.") from error
        if found.size != size or found.md5_hash != receipts.base64_md5(whole):
            raise ChecksumMismatch("The store holds other bytes than the server has sent.")
        return replace(_stored(upload.key, found), verified_by=VerifiedBy.MD5_WHOLE)

    def abort(self, upload: Upload) -> None:
        session.cancel(self._wire, upload)
        if session.ask(self._wire, upload, or_finished=True) is not None:
            raise UploadStillOpen("The store goes on with an upload that was cancelled.")

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        """Google has no list of them; they end by themselves after a week and cost nothing."""
        return iter(())

    def stat(self, key: str) -> StoredObject:
        found = self._found(key)
        with translated("look at an object"):
            return _stored(key, found)

    def sign_read(self, key: str, *, seconds: int, filename: str, version: str = "") -> Secret:
        signed = self._blob(key).generate_signed_url(
            version="v4",
            expiration=timedelta(seconds=max(1, min(seconds, LONGEST))),
            method="GET",
            response_disposition=disposition(filename),
            api_access_endpoint=self._endpoint,
            generation=version or None,
        )
        return Secret(str(signed))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        begins = keys.beginning(self._prefix, prefix)
        with translated("list objects"):
            for found in self._bucket.list_blobs(prefix=begins, **patience()):
                yield _stored(keys.relative(self._prefix, prefix, found.name), found)

    def delete(self, key: str, version: str = "") -> Deletion:
        return gcs_deletion.delete(self._bucket, keys.whole(self._prefix, key), version)

    def check(self, key: str = "") -> Sequence[CheckLine]:
        trial = checks.trial(self, self._wire, key, in_clear=self._location.in_clear)
        return [*trial, *gcs_deletion.findings(self._bucket, self._prefix)]

    def policy(self) -> str:
        return policies.gcs(self._location.bucket, self._prefix, self._account)

    def _blob(self, key: str) -> Any:
        return self._bucket.blob(keys.whole(self._prefix, key))

    def _found(self, key: str) -> Any:
        with translated("look at an object", missing=ObjectMissing):
            found = self._bucket.get_blob(keys.whole(self._prefix, key), **patience())
        if found is None:
            raise ObjectMissing("There is no such object.")
        return found


def _stored(key: str, found: Any) -> StoredObject:
    """A generation is one content for ever; Google's ETag changes with labels and holds, too."""
    at = found.updated or datetime.now(UTC)
    return StoredObject(key, int(found.size or 0), at, version=str(found.generation or ""))
