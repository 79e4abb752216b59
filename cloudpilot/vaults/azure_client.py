"""Microsoft's library, held to our rules: judged connections, no redirect, our failures."""

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudpilot import connections
from cloudpilot.errors import (
    CloudPilotError,
    InvalidConfig,
    VaultMissing,
    VaultRefused,
    VaultUnreachable,
)
from cloudpilot.secrets import Secret
from cloudpilot.vaults.answers import STUMBLES, by_status, nonsense
from cloudpilot.vaults.location import Location

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CODE = re.compile(r"[A-Za-z0-9]{1,60}")


def load() -> None:
    """The library."""
    import azure.core.pipeline.transport  # noqa: PLC0415
    import azure.storage.blob  # noqa: F401, PLC0415

    connections.load()


def endpoint(location: Location) -> str:
    """The account's own, or the one that was entered."""
    return location.endpoint or f"https://{location.key_id}.blob.core.windows.net"


def judge_account(name: str) -> None:
    """Raise InvalidConfig for what is no name of a storage account."""
    if not _ACCOUNT.fullmatch(name):
        raise InvalidConfig(f"{name[:80]!r} is no name of a storage account.")


def judge_key(secret: Secret) -> None:
    """Raise InvalidConfig for what is no account key."""
    if not _is_base64(secret.reveal()):
        raise InvalidConfig("The account key is not one: it is base64.")


def service(location: Location) -> Any:
    """The account's blobs, without a question asked; raises InvalidConfig."""
    from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415
    from azure.storage.blob import BlobServiceClient, ExponentialRetry  # noqa: PLC0415

    judge_account(location.key_id)
    judge_key(location.secret)
    http = connections.session(private=location.private)
    key = {"account_name": location.key_id, "account_key": location.secret.reveal()}
    return BlobServiceClient(
        endpoint(location),
        credential=key,
        transport=RequestsTransport(
            session=http,
            session_owner=False,
            use_env_settings=False,
            # Here, not beside it: who brings a transport is not asked again.
            connection_timeout=connections.CONNECT_SECONDS,
            read_timeout=connections.ANSWER_SECONDS,
        ),
        retry_policy=ExponentialRetry(
            initial_backoff=1,
            increment_base=2,
            retry_total=connections.ATTEMPTS - 1,
            random_jitter_range=1,
        ),
        permit_redirects=False,
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the library's exceptions into ours; `what` was to be done, for the sentence."""
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415

    try:
        yield
    except HttpResponseError as error:
        raise _meaning(error, what) from error
    except AzureError as error:
        if address := connections.refused(error):
            raise address from error
        kind = type(error).__name__
        raise VaultUnreachable(f"The store did not answer when asked to {what}: {kind}.") from error
    except STUMBLES as error:
        raise nonsense(what) from error


def code_of(error: BaseException | None) -> str:
    """The store's own word for an error, if it is a harmless one."""
    found = getattr(error, "error_code", None)
    code = str(getattr(found, "value", found) or "")
    return code if _CODE.fullmatch(code) else ""


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except ValueError:
        return False


def _meaning(error: Any, what: str) -> CloudPilotError:
    code, status = code_of(error), int(error.status_code or 0)
    said = f"The store answered {status} {code} when asked to {what}."
    if code in {"ContainerNotFound", "ContainerBeingDeleted"}:
        return VaultMissing(said)
    if not status:
        return VaultUnreachable(said)
    return by_status(status, said) if status != 409 else VaultRefused(said)
