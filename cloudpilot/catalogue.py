"""The catalogue: every failure by its code, which is what rows and documents keep of it."""

from cloudpilot.errors import CloudPilotError, Unexpected


def all_failures() -> list[type[CloudPilotError]]:
    """Every failure that has a code of its own, by code."""
    found = {kind.code: kind for kind in _descendants(CloudPilotError)}
    return [found[code] for code in sorted(found)]


def by_code(code: str | None) -> type[CloudPilotError]:
    """The failure whose code a row has kept; Unexpected for one that no longer exists."""
    return next((kind for kind in all_failures() if kind.code == code), Unexpected)


def _descendants(kind: type[CloudPilotError]) -> list[type[CloudPilotError]]:
    below = kind.__subclasses__()
    return below + [further for child in below for further in _descendants(child)]
