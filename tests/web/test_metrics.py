"""/metrics: only for who has the token, and as Prometheus reads it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from cloudpilot import create_app
from cloudpilot.db import db, transaction
from cloudpilot.domain.status import Status
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from tests.support.rows import add_run, add_server, add_site
from tests.web.conftest import Browser
from tests.web.scenes import add_backup

TOKEN = "a token of at least thirty-two characters"


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    app: Flask = create_app(replace(settings, metrics_token=Secret(TOKEN)))
    with app.app_context(), transaction() as session:
        server = add_server(session)
        site = add_site(session, server)
        for status in (Status.COMPLETED, Status.COMPLETED, Status.FAILED):
            add_backup(session, server, site, status)
        add_run(session, server, site)
    yield app.test_client()
    with app.app_context():
        db.engine.dispose()


def test_without_a_token_in_the_settings_there_is_no_such_page(anonymous: Browser) -> None:
    answer = anonymous.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é"]
)
def test_without_the_token_nothing_is_told(client: FlaskClient, given: str) -> None:
    answer = client.get("/metrics", headers={"Authorization": given})
    assert (answer.status_code, answer.text) == (401, "unauthorized\n")


def test_prometheus_reads_what_there_is(client: FlaskClient) -> None:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["cloudpilot_backups", "completed"] == 2
    assert found["cloudpilot_backups", "pending"] == 1
    assert found["cloudpilot_runs", "make", "pending"] == 1
    assert found["cloudpilot_copies", "server"] == 2
    assert found["cloudpilot_stored_bytes", "vault"] == 0
    assert sum(n for name, n in found.items() if name[0] == "cloudpilot_sites") == 1
    assert found["cloudpilot_late_schedules",] == 0
    assert found["cloudpilot_oldest_good_backup_age_seconds",] > 0
    assert found["cloudpilot_redis_up",] == 0
    assert TOKEN not in answer.text
