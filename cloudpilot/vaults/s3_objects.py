"""One object or upload in S3: what is not there is told from what may not be seen."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from cloudpilot.errors import (
    CloudPilotError,
    ObjectMissing,
    UploadIncomplete,
    VaultDenied,
    VaultRefused,
)
from cloudpilot.vaults.s3_client import of_an_upload, translated


def head(
    s3: Any, bucket: str, name: str, version: str = "", *, what: str = "look at an object"
) -> Mapping[str, Any]:
    """What the store says of it, or of that version; raises ObjectMissing.

    Of an object that is not there S3 says "forbidden" to a key that may not list the whole bucket,
    which our own policy does not allow below a prefix. Then the list is asked, for this very name:
    if that may be asked, and does not have it, it is not there.
    """
    try:
        with translated(what):
            found: Mapping[str, Any] = s3.head_object(Bucket=bucket, Key=name, **which(version))
            return found
    except VaultDenied as denied:
        absent = False
        with suppress(CloudPilotError):
            absent = not _is_listed(s3, bucket, name, version)
        if absent:
            raise ObjectMissing("The store's list does not have the object.") from denied
        raise


def versions(s3: Any, bucket: str, name: str) -> Iterator[str]:
    """Every version and marker of exactly this name; raises VaultRefused where the store knows no
    versions."""
    with translated("list the versions of an object"):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=name)
        for page in pages:
            for found in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                if found["Key"] == name:
                    yield found.get("VersionId") or ""


def parts(s3: Any, upload_id: str, bucket: str, name: str) -> list[Mapping[str, Any]]:
    """What an upload has received; raises UploadIncomplete if it is not open.

    That, too, may be "forbidden" where there is no such object; then the list of uploads tells.
    """
    listing = s3.get_paginator("list_parts")
    try:
        with of_an_upload("list the parts of an upload"):
            pages = listing.paginate(Bucket=bucket, Key=name, UploadId=upload_id)
            return [part for page in pages for part in page.get("Parts", [])]
    except VaultDenied as denied:
        is_open = True
        with suppress(CloudPilotError):
            is_open = upload_id in _open(s3, bucket, name)
        if not is_open:
            raise UploadIncomplete("The store's list does not have the upload.") from denied
        raise


def _open(s3: Any, bucket: str, name: str) -> list[str]:
    """The open uploads of this very object."""
    with translated("list the open uploads of an object"):
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=name)
        found = [one for page in pages for one in page.get("Uploads", [])]
        return [one["UploadId"] for one in found if one["Key"] == name]


def which(version: str) -> dict[str, str]:
    """The argument that names a version; nothing for the newest."""
    return {"VersionId": version} if version else {}


def _is_listed(s3: Any, bucket: str, name: str, version: str) -> bool:
    if version:
        return version in list(versions(s3, bucket, name))
    with translated("list an object"):
        # The name itself comes before all that begin with it.
        page = s3.list_objects_v2(Bucket=bucket, Prefix=name, MaxKeys=1)
        first = [found["Key"] for found in page.get("Contents", [])]
    if first and not first[0].startswith(name):
        raise VaultRefused("The store lists names that it was not asked for.")
    return first == [name]
