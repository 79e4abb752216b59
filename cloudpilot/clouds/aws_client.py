"""Amazon's library for EC2: judged connections, one attempt, our failures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudpilot import amazon, connections
from cloudpilot.clouds import refusals, rest
from cloudpilot.clouds.account import Account
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    CloudThrottled,
    CloudUnreachable,
    InstanceMissing,
    SnapshotMissing,
)
from cloudpilot.kinds import CloudKind

BRAND = CloudKind.AWS.brand
_CODE = re.compile(r"[A-Za-z0-9.]{1,80}")
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_BY_CODE: dict[str, type[CloudPilotError]] = {
    "AuthFailure": CloudDenied,
    "Blocked": CloudDenied,
    "InvalidClientTokenId": CloudDenied,
    "OptInRequired": CloudDenied,
    "PendingVerification": CloudDenied,
    "RequestExpired": CloudDenied,
    "SignatureDoesNotMatch": CloudDenied,
    "UnauthorizedOperation": CloudDenied,
    "InvalidInstanceID": InstanceMissing,
    "InvalidInstanceID.Malformed": InstanceMissing,
    "InvalidInstanceID.NotFound": InstanceMissing,
    "InvalidSnapshot.NotFound": SnapshotMissing,
    "InvalidSnapshotID.Malformed": SnapshotMissing,
}
_SLOWER = {
    "ConcurrentSnapshotLimitExceeded",
    "EC2ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SnapshotCreationPerVolumeRateExceeded",
    "Throttling",
    "ThrottlingException",
}


def client(account: Account) -> Any:
    """A client of EC2 in the account's region; it asks once, and whoever wants to asks again."""
    access = amazon.Access(
        account.region, account.endpoint, account.key_id, account.secret, account.private
    )
    return amazon.client("ec2", access, attempts=1, seconds=rest.ANSWER_SECONDS)


def load() -> None:
    """The library, with its description of EC2."""
    amazon.load("ec2")


@contextmanager
def translated(what: str, account: Account) -> Iterator[None]:
    """Turn the library's exceptions into ours; `what` was to be done, for the sentence."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise _meaning(error, what, account) from error
    except BotoCoreError as error:
        if address := connections.refused(error):
            raise address from error
        kind = type(error).__name__
        raise CloudUnreachable(f"{BRAND} did not answer when asked to {what}: {kind}.") from error
    except (ResponseParserError, *refusals.STUMBLES) as error:
        raise refusals.nonsense(BRAND, what) from error


def code_of(error: BaseException | None) -> str:
    """EC2's own word for an error, if it is a harmless one."""
    answer = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else ""


def _meaning(error: Any, what: str, account: Account) -> CloudPilotError:
    code = code_of(error)
    told = error.response.get("ResponseMetadata", {})
    status, headers = int(told.get("HTTPStatusCode", 0)), told.get("HTTPHeaders", {})
    words = str(error.response.get("Error", {}).get("Message", ""))
    sentence = refusals.said(BRAND, f"{status} {code}".strip(), what, words, (account.secret,))
    if code in _SLOWER:
        return CloudThrottled(sentence, refusals.seconds_in(headers))
    if kind := _BY_CODE.get(code):
        return kind(sentence)
    return refusals.by_status(status, sentence, refusals.seconds_in(headers))
