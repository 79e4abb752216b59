"""A panel is lost, with its database and its secret key: another one finds what lies in the vault.

The first is a whole panel of real processes. Of the second the pages are real, in a real browser;
its jobs are done one after the other, as worker and clock would.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from cloudpilot import create_app, recovery
from cloudpilot.db import db, transaction
from cloudpilot.domain import passwords
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.objects import NAMES
from cloudpilot.domain.people import Person
from cloudpilot.kinds import Role
from cloudpilot.recovery import RecoveryKey
from cloudpilot.secrets import Secret
from cloudpilot.settings import from_environment
from tests.journeys.test_uploads import back_up, uploaded
from tests.support.axe import violations
from tests.support.chromium import launched
from tests.support.rgw import Rgw
from tests.support.rows import add_person, add_real_server
from tests.support.tree import entries
from tests.support.until import until
from tests.support.uploading import PREFIX, add_vault, drive, objects
from tests.support.world import World
from tests.vaults.s3_store import S3Store
from tests.web.test_browser import served

EMAIL, PASSWORD = "owner@example.com", "correct horse battery staple"

pytestmark = pytest.mark.xdist_group("rgw")


@pytest.fixture
def second(sqlite_template: Path, tmp_path: Path) -> Iterator[Flask]:
    """A panel that nobody has used: another database, another secret key."""
    shutil.copy(sqlite_template, tmp_path / "second.db")
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'second.db'}",
        "REDIS_URL": f"unix://{tmp_path}/no-redis.sock",
        "CLOUDPILOT_SECRET_KEY": "another secret key, of forty characters or so",
        "CLOUDPILOT_PRIVATE_NETWORKS": "allow",
    }
    app = create_app(from_environment(environ))
    with app.app_context():
        with transaction() as session:
            owner = add_person(session, Role.OWNER)
            owner.password_hash = passwords.hashed(Secret(PASSWORD))
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def tab(second: Flask) -> Iterator[Page]:
    with served(second) as address, launched() as browser:
        page = browser.new_context(base_url=address).new_page()
        page.set_default_timeout(30_000)
        yield page


def make_key(world: World) -> RecoveryKey:
    """A recovery key of the first panel, written down by its owner."""
    made = recovery.new()
    with transaction() as session:
        sealer = world.core.extensions["sealer"]
        owner = session.get_one(Person, world.person_id)
        keys.confirm(session, keys.add(session, sealer, made, "!", owner))
    return made


def press(tab: Page, name: str) -> None:
    tab.get_by_role("button", name=name).or_(tab.get_by_role("link", name=name)).first.click()


def is_fit(tab: Page) -> None:
    for scheme, width in (("light", 360), ("dark", 1280)):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        tab.set_viewport_size({"width": width, "height": 800})
        wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (wide, violations(tab)) == (0, []), (tab.url, scheme, width)


def sign_in(tab: Page) -> None:
    tab.goto("/")
    tab.fill("[name=email]", EMAIL)
    tab.fill("[name=password]", PASSWORD)
    press(tab, "Sign in")
    expect(tab).to_have_title("Overview · CloudPilot")


def add_the_vault(tab: Page, store: S3Store) -> None:
    where = store.location
    tab.goto("/vaults/new?kind=s3")
    place = {"bucket": where.bucket, "endpoint": where.endpoint, "prefix": PREFIX}
    for name, value in (place | {"name": "the old vault", "key_id": where.key_id}).items():
        tab.fill(f"[name={name}]", value)
    tab.fill("[name=secret]", where.secret.reveal())
    if where.path_style:
        tab.check("[name=path_style]")
    press(tab, "Add the vault")
    drive()


def backed_up_and_lost(world: World, store: S3Store) -> tuple[UUID, RecoveryKey]:
    """The first panel has backed its server up, has signed it, and is gone; so is the server."""
    with world.core.app_context():
        made, vault_id = make_key(world), add_vault(world.core, store)
        backup_id = back_up(world, vault_id)
        uploaded(backup_id)
        until(lambda: objects(backup_id)[-1], lambda last: last.name not in NAMES and last.etag)
    world.processes.stop_all()
    shutil.rmtree(world.root)
    return backup_id, made


def find(tab: Page) -> None:
    press(tab, "Find backups of another panel")
    is_fit(tab)
    press(tab, "Look for backups")
    drive()
    expect(tab.get_by_text("Found 1 backup of 1 server")).to_be_visible()
    expect(tab.get_by_text("1 unverified").last).to_be_visible()
    is_fit(tab)


def compare(tab: Page, made: RecoveryKey) -> None:
    tab.fill("[name=compare-key]", made.secret.reveal().lower())
    tab.fill("[name=compare-password]", PASSWORD)
    press(tab, "Compare the signatures")
    expect(tab.get_by_text("1 signed").last).to_be_visible()


def restore(tab: Page, target: Path) -> None:
    press(tab, "Restore")
    tab.get_by_label("Into a folder").check()
    tab.fill("[name=into]", str(target))
    press(tab, "Look at what would happen")
    drive()
    tab.reload()
    tab.fill("[name=name]", "shop")
    tab.locator("button.danger", has_text="Restore").click()
    drive(120)
    tab.reload()
    expect(tab.get_by_text("Restored").first).to_be_visible()


def test_a_backup_of_a_lost_panel_is_found_known_again_and_restored(
    world: World, rgw: Rgw, tmp_path: Path, second: Flask, tab: Page
) -> None:
    store, target = S3Store(rgw), tmp_path / "restored"
    before = entries(world.files)
    backup_id, made = backed_up_and_lost(world, store)
    with transaction() as session:  # the machine that takes the server's place
        add_real_server(second, session, world.sshd, tmp_path / "new-backups")
    sign_in(tab)
    add_the_vault(tab, store)
    find(tab)
    compare(tab, made)
    assert made.secret.reveal().encode() not in (tmp_path / "second.db").read_bytes()
    tab.goto(f"/backups/{backup_id}")
    expect(tab.get_by_text("Signed: the panel that made it has proven it.")).to_be_visible()
    is_fit(tab)
    restore(tab, target)
    kept = {name: one for name, one in before.items() if not name.endswith(b".log")}
    assert entries(Path(f"{target}{world.files}")) == kept
