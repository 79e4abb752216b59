"""Ids in the query of an address."""

from uuid import UUID

from cloudpilot.errors import NotFound


def id_of(text: str | None) -> UUID | None:
    """The id, or None if none is given; raises NotFound for what is no id."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound("There is no such server or site.") from None
