"""Google's library, held to our rules: judged connections, no redirect, our failures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudpilot import connections
from cloudpilot.errors import (
    CloudPilotError,
    InvalidConfig,
    VaultDenied,
    VaultMissing,
    VaultUnreachable,
)
from cloudpilot.keyfile import key_file
from cloudpilot.vaults.answers import STUMBLES, by_status, nonsense
from cloudpilot.vaults.location import Location

HOST = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TIMEOUT = (connections.CONNECT_SECONDS, connections.ANSWER_SECONDS)


def load() -> None:
    """The library."""
    import google.auth.transport.requests  # noqa: PLC0415
    import google.cloud.storage  # noqa: PLC0415
    import google.oauth2.service_account  # noqa: F401, PLC0415

    connections.load()


def bucket(location: Location) -> Any:
    """The bucket, without a question asked."""
    from google.auth.transport.requests import AuthorizedSession, Request  # noqa: PLC0415
    from google.cloud import storage  # noqa: PLC0415
    from google.oauth2 import service_account  # noqa: PLC0415

    make: Any = service_account.Credentials.from_service_account_info
    try:
        credentials = make(key_file(location.secret), scopes=[_SCOPE])
    except ValueError as error:
        raise InvalidConfig("The key file's private key cannot be read.") from error
    ask: Any = Request
    asking = ask(connections.session(private=location.private))
    options = {"credentials": credentials, "auth_request": asking, "max_refresh_attempts": 1}
    http = connections.session(private=location.private, base=AuthorizedSession, **options)
    client = storage.Client(
        project="none",
        credentials=credentials,
        _http=http,
        client_options={"api_endpoint": location.endpoint or HOST},
    )
    return client.bucket(location.bucket)


def patience() -> dict[str, Any]:
    """Arguments of every call: how long, and how often again."""
    from google.cloud.storage.retry import DEFAULT_RETRY  # noqa: PLC0415

    retry = DEFAULT_RETRY.with_timeout(connections.AGAIN_SECONDS).with_delay(0.2, 2, 2)
    return {"timeout": TIMEOUT, "retry": retry}


@contextmanager
def translated(what: str, *, missing: type[CloudPilotError] | None = None) -> Iterator[None]:
    """Turn the library's exceptions into ours.

    what     was to be done, for the sentence
    missing  what 404 means here; the bucket, if nothing is said
    """
    from google.api_core.exceptions import GoogleAPICallError, RetryError  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    try:
        yield
    except GoogleAPICallError as error:
        status = int(error.code or 0)
        said = f"The store answered {status} when asked to {what}."
        raise (
            (missing or VaultMissing)(said) if status == 404 else by_status(status, said)
        ) from error
    except (RetryError, TransportError, RequestException) as error:
        if address := connections.refused(error):
            raise address from error
        raise VaultUnreachable(f"The store did not answer when asked to {what}.") from error
    except GoogleAuthError as error:
        raise VaultDenied(f"Google does not take this key; it was asked to {what}.") from error
    except STUMBLES as error:
        raise nonsense(what) from error
