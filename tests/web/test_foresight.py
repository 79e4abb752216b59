"""What the next backups will fail on, where people look: overview, schedule, site."""

from flask import Flask
from sqlalchemy import select

from cloudpilot.db import transaction
from cloudpilot.domain.schedules import Schedule
from tests.web.conftest import Browser
from tests.web.scenes import DISK_TOO_SMALL
from tests.web.test_overview import words
from tests.web.test_pages import build


def test_it_is_told_with_what_to_do_and_gone_with_its_reason(app: Flask, owner: Browser) -> None:
    build(app, "much")
    doubted = select(Schedule).where(Schedule.doubted_at.is_not(None))
    with app.app_context(), transaction() as session:
        schedule = session.scalars(doubted).one()
        pages = ("/", f"/schedules/{schedule.id}", f"/sites/{schedule.site_id}")
    for address in pages:
        said = words(owner.get(address))
        assert DISK_TOO_SMALL["sentence"] in said
        assert "keep fewer days of backups on the server" in said
    assert "the next backup of 1 schedule will fail" in words(owner.get("/"))
    with app.app_context(), transaction() as session:
        schedule = session.scalars(doubted).one()
        schedule.doubts = schedule.doubted_at = None
    for address in pages:
        assert DISK_TOO_SMALL["sentence"] not in words(owner.get(address))
