"""What the status of a store's answer means, whoever's it is."""

from cloudpilot.errors import (
    CloudPilotError,
    ObjectMissing,
    VaultDenied,
    VaultMissing,
    VaultRefused,
    VaultUnreachable,
)

# What a library raises when it stumbles over an answer that is not of the form it expects.
STUMBLES = (LookupError, TypeError, ValueError, AttributeError)


def by_status(status: int, said: str) -> CloudPilotError:
    """Our failure for an answer that is no success; `said` is the sentence of it."""
    if 300 <= status < 400:
        return VaultMissing(f"{said} It lies in another region or at another endpoint.")
    if status in {401, 403}:
        return VaultDenied(said)
    if status == 404:
        return ObjectMissing(said)
    if status in {408, 429} or (status >= 500 and status != 501):
        return VaultUnreachable(said)
    return VaultRefused(said)


def nonsense(what: str) -> VaultRefused:
    """The failure of an answer that nobody understands: is there such a store at all?"""
    return VaultRefused(f"The answer was not a store's when it was asked to {what}.")
