"""The main job as a person does it: every click in a real browser, every byte on a real server."""

from playwright.sync_api import Page, expect

from cloudpilot.db import transaction
from cloudpilot.domain import people
from cloudpilot.domain.people import Person
from cloudpilot.secrets import Secret
from tests.support.chromium import launched
from tests.support.world import World

PASSWORD = "a long password"


def test_check_back_up_watch_and_delete(world: World) -> None:
    world.processes.start("web")
    with transaction() as session:
        person = session.get_one(Person, world.person_id)
        person.password_hash, email = people.hashed(Secret(PASSWORD)), person.email
    with launched() as browser:
        tab = browser.new_page(base_url=world.processes.url)
        tab.goto("/sign-in")
        tab.get_by_label("E-mail address").fill(email)
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
        check(tab, world)
        back_up(tab, world)
        delete(tab)
    assert world.left_over() == []


def check(tab: Page, world: World) -> None:
    """The server says what it has, without the page being reloaded by hand."""
    tab.goto(f"/servers/{world.server_id}")
    tab.get_by_role("button", name="Check now").click()
    expect(tab.locator(".checks li").first).to_be_visible()
    expect(tab.get_by_role("button", name="Check now")).to_be_visible()
    assert tab.locator(".checks .badge.ok").count() > 3


def back_up(tab: Page, world: World) -> None:
    """The page follows a backup from the button to its hash."""
    world.hold()
    tab.goto(f"/backups/new?site={world.site_id}")
    tab.get_by_label("Note").fill("by hand")
    if tab.get_by_label("I know; keep it there.").count():
        tab.get_by_label("I know; keep it there.").check()
    tab.get_by_role("button", name="Back up now").click()
    expect(tab.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(tab.locator("progress[max]")).to_be_visible()
    world.release()
    expect(tab.locator(".badge.ok")).to_have_text("Completed")
    expect(tab.get_by_text("SHA-256 of the archive")).to_be_visible()
    expect(tab.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


def delete(tab: Page) -> None:
    """Deleted is said once it is proven."""
    tab.get_by_role("link", name="Delete").click()
    tab.get_by_role("button", name="Delete the backup").click()
    expect(tab.get_by_text("Deleted", exact=True)).to_be_visible()
    tab.goto("/backups")
    expect(tab.get_by_text("No backups yet")).to_be_visible()
