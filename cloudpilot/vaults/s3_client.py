"""Amazon's library, held to our rules: judged connections, no redirect, our failures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from cloudpilot import connections
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
_MAKING = Lock()  # the library makes one client at a time
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}


def client(location: Location, endpoint: str) -> Any:
    """A client of S3 that reads no file and no variable of this machine."""
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if location.path_style else "virtual"},
        # Other stores than Amazon's do not know its newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": connections.ATTEMPTS},
        connect_timeout=connections.CONNECT_SECONDS,
        read_timeout=connections.ANSWER_SECONDS,
        ignore_configured_endpoint_urls=True,
        proxies={},
    )
    with _MAKING:
        made = _library().client(
            "s3",
            region_name=location.region or "us-east-1",
            endpoint_url=endpoint or None,
            aws_access_key_id=location.key_id,
            aws_secret_access_key=location.secret.reveal(),
            config=config,
        )
    made.meta.events.register_first("before-send.s3", _sender(location))
    made.meta.events.register("before-call.s3", _stay)
    return made


def load() -> None:
    """The library, with its description of S3, which takes a second to read."""
    nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    with _MAKING:
        _library().client("s3", region_name="us-east-1", **nobody)
    connections.load()


@cache
def _library() -> Any:
    """The library and what it has read; no credential is in it."""
    import boto3  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    nowhere = dict.fromkeys(("profile", "ca_bundle"), (None, None, None, None))
    core = botocore.session.Session(session_vars=nowhere)
    for name in ("config_file", "credentials_file"):
        core.set_config_variable(name, "/dev/null")
    return boto3.Session(botocore_session=core)


def _stay(context: dict[str, Any], **_more: Any) -> None:
    """Say that this request has been redirected already: it is not done twice."""
    context["s3_redirect"] = {**(context.get("s3_redirect") or {}), "redirected": True}


def _sender(location: Location) -> Any:
    """What sends the library's requests: our own connections."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError  # noqa: PLC0415
    from botocore.exceptions import ReadTimeoutError as NoAnswer  # noqa: PLC0415
    from urllib3.exceptions import ConnectTimeoutError as Slow  # noqa: PLC0415
    from urllib3.exceptions import HTTPError, ReadTimeoutError  # noqa: PLC0415

    pools = connections.pools(private=location.private)

    def send(request: Any, **_more: Any) -> Any:
        try:
            answer = pools.connection_from_url(request.url).urlopen(
                request.method,
                _target(request.url),
                body=request.body,
                headers=dict(request.headers),
                redirect=False,
                retries=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except ReadTimeoutError as error:
            raise NoAnswer(endpoint_url=location.endpoint, error=error) from error
        except Slow as error:
            raise ConnectTimeoutError(endpoint_url=location.endpoint, error=error) from error
        except HTTPError as error:
            raise EndpointConnectionError(endpoint_url=location.endpoint, error=error) from error
        return AWSResponse(request.url, answer.status, answer.headers, answer)

    return send


def _target(url: str) -> str:
    """Path and query of an address, letter for letter: the signature is over them."""
    _scheme, _, rest = url.partition("://")
    _host, slash, target = rest.partition("/")
    return f"/{target}" if slash else "/"


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
