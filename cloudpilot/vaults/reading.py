"""Reading a part of an object by an address that was signed for it: a few megabytes, for a person
who wants one file, or an index. Archives go from a vault to whoever wants them without us."""

from collections.abc import Iterator

from cloudpilot import connections
from cloudpilot.errors import ObjectMissing, VaultRefused, VaultUnreachable
from cloudpilot.secrets import Secret

CHUNK = 256 * 1024


def read(
    address: Secret, *, private: bool, first: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Bytes of the object from `first` on, `length` of them or all.

    private  whether the store may be at a private address

    Raises ObjectMissing, VaultRefused, VaultUnreachable (also if they end early), AddressRefused.
    """
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    whole = first == 0 and length is None
    last = "" if length is None else first + length - 1
    headers = {} if whole else {"Range": f"bytes={first}-{last}"}
    headers["Accept-Encoding"] = "identity"
    pools = connections.pools(private=private)
    try:
        answer = pools.request(
            "GET",
            address.reveal(),
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            _refuse(answer.status, 200 if whole else 206)
            yield from answer.stream(CHUNK, decode_content=False)
        finally:
            answer.close()
    except HTTPError as error:
        known = connections.refused(error)
        if known:
            raise known from error
        raise VaultUnreachable(f"The store stopped answering: {type(error).__name__}.") from error
    finally:
        pools.clear()


def _refuse(status: int, wanted: int) -> None:
    if status == 404:
        raise ObjectMissing("It is not in the vault any more.")
    if status != wanted:
        raise VaultRefused(f"The store answered {status} to a request for a part of an object.")
