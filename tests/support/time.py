"""A clock that tests turn: `clock.now` is this instant until it is moved."""

from datetime import UTC, datetime, timedelta

import pytest

from cloudpilot import clock


class Moment:
    """The present instant of a test, aware and in UTC."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **length: float) -> datetime:
        """So long later: `minutes=5`."""
        self.at += timedelta(**length)
        return self.at


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    """A Wednesday noon that stands still."""
    found = Moment(datetime(2026, 11, 25, 12, tzinfo=UTC))
    monkeypatch.setattr(clock, "now", found)
    return found
