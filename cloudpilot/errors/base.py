"""What every failure has: a stable code, and what to do about it."""

from typing import ClassVar


class CloudPilotError(Exception):
    """A failure that a person can act on.

    The class says what kind of failure it is (`code`, `remedy`, `transient`); the instance says
    what happened this time, in one sentence without secrets.
    """

    code: ClassVar[str] = "INTERNAL"
    remedy: ClassVar[str] = "Report this to the administrator with the run's number."
    transient: ClassVar[bool] = False  # True: the same call may succeed later, unaided
    http_status: ClassVar[int] = 500


class Unexpected(CloudPilotError):
    """Something that nobody thought of; the log has the details."""
