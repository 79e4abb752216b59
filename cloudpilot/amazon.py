"""Amazon's library, held to our rules: no file and no variable of this machine, judged connections,
no redirect."""

from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from cloudpilot import connections
from cloudpilot.secrets import Secret

_MAKING = Lock()  # the library makes one client at a time


@dataclass(frozen=True, slots=True)
class Access:
    """Where a service is and how to get in.

    endpoint  "" for Amazon's own
    private   whether addresses that are not the Internet's may be connected to
    """

    region: str
    endpoint: str
    key_id: str
    secret: Secret
    private: bool


def client(service: str, access: Access, *, attempts: int, seconds: float, **options: Any) -> Any:
    """A client that nobody else's settings change.

    attempts  of each call, the first among them
    seconds   without a byte of an answer, after which it is given up
    options   more of the library's Config
    """
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connections.CONNECT_SECONDS,
        read_timeout=seconds,
        ignore_configured_endpoint_urls=True,
        proxies={},
        **options,
    )
    with _MAKING:
        made = _library().client(
            service,
            region_name=access.region,
            endpoint_url=access.endpoint or None,
            aws_access_key_id=access.key_id,
            aws_secret_access_key=access.secret.reveal(),
            config=config,
        )
    sender = _sender(access, seconds)
    made.meta.events.register_first(f"before-send.{service}", sender)
    return made


def load(service: str) -> None:
    """The library, with its description of a service, which takes a second to read."""
    nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    with _MAKING:
        _library().client(service, region_name="us-east-1", **nobody)
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


def _sender(access: Access, seconds: float) -> Any:
    """What sends the library's requests: our own connections."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError  # noqa: PLC0415
    from botocore.exceptions import ReadTimeoutError as NoAnswer  # noqa: PLC0415
    from urllib3.exceptions import ConnectTimeoutError as Slow  # noqa: PLC0415
    from urllib3.exceptions import HTTPError, ReadTimeoutError  # noqa: PLC0415

    pools = connections.pools(private=access.private, seconds=seconds)

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
            said = AWSResponse(request.url, answer.status, answer.headers, answer)
            if not request.stream_output:
                said.content  # noqa: B018  (read here: the line may break in the middle of it, too)
        except ReadTimeoutError as error:
            raise NoAnswer(endpoint_url=access.endpoint, error=error) from error
        except Slow as error:
            raise ConnectTimeoutError(endpoint_url=access.endpoint, error=error) from error
        except HTTPError as error:
            raise EndpointConnectionError(endpoint_url=access.endpoint, error=error) from error
        return said

    return send


def _target(url: str) -> str:
    """Path and query of an address, letter for letter: the signature is over them."""
    _scheme, _, rest = url.partition("://")
    _host, slash, target = rest.partition("/")
    return f"/{target}" if slash else "/"
