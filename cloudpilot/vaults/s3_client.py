"""Amazon's library, held to our rules: judged connections, no redirect, our failures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudpilot import amazon, connections
from cloudpilot.errors import (
    CloudPilotError,
    ObjectMissing,
    UploadIncomplete,
    VaultDenied,
    VaultMissing,
    VaultUnreachable,
)
from cloudpilot.vaults.answers import STUMBLES, by_status, nonsense
from cloudpilot.vaults.location import Location

_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")
_BY_CODE: dict[str, type[CloudPilotError]] = {
    "NoSuchBucket": VaultMissing,
    "NoSuchKey": ObjectMissing,
    "NoSuchVersion": ObjectMissing,
    "NoSuchUpload": UploadIncomplete,
    "InvalidPart": UploadIncomplete,
    "InvalidPartOrder": UploadIncomplete,
    "EntityTooSmall": UploadIncomplete,
    "RequestTimeout": VaultUnreachable,
    "SlowDown": VaultUnreachable,
}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}


def client(location: Location, endpoint: str) -> Any:
    """A client of S3 that reads no file and no variable of this machine."""
    region = location.region or "us-east-1"
    made = amazon.client(
        "s3",
        amazon.Access(region, endpoint, location.key_id, location.secret, location.private),
        attempts=connections.ATTEMPTS,
        seconds=connections.ANSWER_SECONDS,
        signature_version="s3v4",
        s3={"addressing_style": "path" if location.path_style else "virtual"},
        # Other stores than Amazon's do not know its newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    made.meta.events.register("before-call.s3", _stay)
    return made


def load() -> None:
    """The library, with its description of S3."""
    amazon.load("s3")


def _stay(context: dict[str, Any], **_more: Any) -> None:
    """Say that this request has been redirected already: it is not done twice."""
    context["s3_redirect"] = {**(context.get("s3_redirect") or {}), "redirected": True}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the library's exceptions into ours; `what` was to be done, for the sentence."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise _meaning(error, what) from error
    except BotoCoreError as error:
        if address := connections.refused(error):
            raise address from error
        kind = type(error).__name__
        raise VaultUnreachable(f"The store did not answer when asked to {what}: {kind}.") from error
    except STUMBLES as error:
        raise nonsense(what) from error


@contextmanager
def of_an_upload(what: str) -> Iterator[None]:
    """As `translated`; stores say in several ways that an upload is not open (any longer)."""
    try:
        with translated(what):
            yield
    except ObjectMissing as error:
        raise UploadIncomplete(str(error)) from error


def code_of(error: BaseException | None) -> str:
    """The store's own word for an error, if it is a harmless one."""
    answer = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else ""


def _meaning(error: Any, what: str) -> CloudPilotError:
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"The store answered {status} {code} when asked to {what}."
    if code in _CLOCK:
        return VaultDenied(f"{said} The panel's clock is wrong: every signature depends on it.")
    if kind := _BY_CODE.get(code):
        return kind(said)
    return by_status(status, said)
