"""A vault from its form to its first backup, in a real browser: refused, corrected, used.

The panel, its server and the store are real processes.
"""

import hashlib
from collections.abc import Iterator
from typing import Literal
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from cloudpilot.db import transaction
from cloudpilot.domain import passwords
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.people import Person
from cloudpilot.errors import CloudPilotError, VaultDenied, VaultMissing
from cloudpilot.secrets import Secret
from tests.support.axe import violations
from tests.support.chromium import launched
from tests.support.rgw import Rgw
from tests.support.uploading import found
from tests.support.world import World
from tests.vaults.s3_store import S3Store

EMAIL = "owner@example.com"
PASSWORD = "correct horse battery staple"
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 360), ("dark", 1280))  # pixels
SLOW = 30_000  # milliseconds: a store is asked meanwhile
NOBODYS = "nobody-has-made-this"


@pytest.fixture
def store(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture
def said() -> list[str]:
    """What the browser's console has said."""
    return []


@pytest.fixture
def tab(world: World, said: list[str]) -> Iterator[Page]:
    """A browser's tab; what its console says fails the test."""
    with transaction() as session:
        owner = session.get_one(Person, world.person_id)
        owner.password_hash = passwords.hashed(Secret(PASSWORD))
    world.processes.start("web")
    with launched() as browser:
        page = browser.new_context(base_url=world.processes.url).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.set_default_timeout(SLOW)
        yield page
    assert said == []


def press(tab: Page, name: str) -> None:
    """The button or link of that name."""
    tab.get_by_role("button", name=name).or_(tab.get_by_role("link", name=name)).first.click()


def sign_in(tab: Page) -> None:
    tab.goto("/")
    tab.fill("[name=email]", EMAIL)
    tab.fill("[name=password]", PASSWORD)
    press(tab, "Sign in")
    expect(tab).to_have_title("Overview · CloudPilot")


def is_fit(tab: Page) -> None:
    """The page as it stands can be read by everybody: light on a phone, and dark."""
    for scheme, width in LOOKS:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": 800})
        wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (wide, violations(tab)) == (0, []), (tab.url, scheme, width)


def fill(tab: Page, **fields: str) -> None:
    for name, value in fields.items():
        tab.fill(f"[name={name}]", value)


def change(tab: Page, **fields: str) -> None:
    """By the form of the vault whose page this is."""
    press(tab, "Change")
    fill(tab, **fields)
    press(tab, "Save and check")


def finds(tab: Page, badge: str, failure: type[CloudPilotError] | None = None) -> None:
    """The check's word, once it is there without a reload: in the head, and with what to do."""
    expect(tab.locator(".head").get_by_text(badge)).to_be_visible()
    if failure:
        line = tab.locator(".checks li").filter(has_text=failure.code)
        expect(line).to_contain_text("Write")
        expect(line).to_contain_text(failure.remedy)
    is_fit(tab)


def add(tab: Page, store: S3Store) -> None:
    """All is right but for the secret."""
    where = store.location
    tab.goto("/vaults")
    press(tab, "Add a vault")
    press(tab, "Amazon S3")
    fill(tab, name="offsite", bucket=where.bucket, endpoint=where.endpoint, prefix="panel")
    fill(tab, key_id=where.key_id, secret=store.wrong)
    tab.check("[name=path_style]")
    is_fit(tab)
    press(tab, "Add the vault")


def warned_of(tab: Page, world: World) -> None:
    """Wherever it can be chosen or is listed one sees that it does not work."""
    for path in ("/", "/vaults"):
        tab.goto(path)
        row = tab.get_by_role("row").filter(has_text="offsite")
        expect(row).to_contain_text(VaultDenied.code)
        is_fit(tab)
    tab.goto(f"/backups/new?site={world.site_id}")
    choices = tab.locator("[name=vault_id] option")
    expect(choices).to_have_text(["No vault: on its server only", "offsite: does not work"])
    tab.goto("/vaults")
    press(tab, "offsite")


def back_up(tab: Page, world: World) -> UUID:
    """The backup that the form asks for, once its page says that the vault has it."""
    tab.goto(f"/backups/new?site={world.site_id}")
    tab.select_option("[name=vault_id]", label="offsite")
    is_fit(tab)
    press(tab, "Back up now")
    expect(tab.get_by_text("Uploaded").first).to_be_visible(timeout=2 * SLOW)
    expect(tab.get_by_text("Completed").first).to_be_visible()
    is_fit(tab)
    return UUID(tab.url.rpartition("/")[2])


def test_a_vault_is_refused_corrected_and_used(
    tab: Page, said: list[str], world: World, store: S3Store
) -> None:
    secret = store.location.secret.reveal()
    sign_in(tab)
    add(tab, store)
    finds(tab, "Does not work", VaultDenied)
    warned_of(tab, world)

    change(tab, secret=secret, bucket=NOBODYS)
    finds(tab, "Does not work", VaultMissing)
    change(tab, bucket=store.bucket)  # a secret is for the bucket that it was typed for
    expect(tab.get_by_text("the secret has to be entered for it")).to_be_visible()
    [refusal] = said
    assert "422" in refusal
    said.clear()
    fill(tab, secret=secret)
    press(tab, "Save and check")
    finds(tab, "OK, with warnings")  # it is http

    backup = found(back_up(tab, world))
    assert backup.offsite_status is Offsite.UPLOADED
    [key] = [one for one in store.keys(str(backup.id)) if one.endswith(backup.archive)]
    assert key.startswith("panel/")
    assert hashlib.sha256(store.body(key)).hexdigest() == backup.sha256
