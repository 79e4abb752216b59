"""A panel that was brought back, as people see it until an owner has let it begin."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.kinds import Role
from tests.domain.test_rest import add_import
from tests.support.rows import add_server, add_site
from tests.web.conftest import PASSWORD, Browser


@pytest.fixture
def brought_back(app: Flask) -> None:
    """An import that nobody has let begin."""
    with app.app_context(), transaction() as session:
        add_import(session)


def test_a_panel_at_rest_says_so_on_every_page_until_an_owner_lets_it_begin(
    app: Flask, owner: Browser, brought_back: None
) -> None:
    for path in ("/", "/servers", "/recovery"):
        assert "This panel is at rest." in owner.get(path).text
    typed = {"begin-password": PASSWORD, "begin-gone": "y"}
    for lacking in typed:
        some = {name: value for name, value in typed.items() if name != lacking}
        owner.post("/recovery/begin", 422, **some)
    assert (
        "is wrong" in owner.post("/recovery/begin", 422, **(typed | {"begin-password": "x"})).text
    )
    owner.post("/recovery/begin", **typed)
    assert "at rest" not in owner.get("/servers").text
    assert "at work already" in owner.post("/recovery/begin", 409, **typed).text
    with app.app_context(), reading() as session:
        actions = list(session.scalars(select(AuditEntry.action)))
    assert actions.count("panel.begun-after-import") == 1


def test_what_is_asked_of_a_panel_at_rest_is_refused_with_what_to_do(
    app: Flask, owner: Browser, brought_back: None
) -> None:
    with app.app_context(), transaction() as session:
        site = add_site(session, add_server(session))
    page = owner.post(f"/backups/new?site={site.id}", 409)
    assert "PANEL_AT_REST" in page.text
    with app.app_context(), reading() as session:
        assert session.scalars(select(Backup)).all() == []
    owner.post(f"/servers/{site.server_id}/check")


def test_others_are_told_and_cannot_begin(
    sign_in: Callable[[Role], Browser], brought_back: None
) -> None:
    page = sign_in(Role.ADMIN).get("/servers")
    assert "This panel is at rest." in page.text
    assert "/recovery" not in page.text
