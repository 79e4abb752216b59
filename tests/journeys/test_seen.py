"""Whether the panel says of itself that it works: real processes, killed and started again."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from cloudpilot.jobs import pulse, queue
from cloudpilot.jobs.pulse import Part
from tests.support.chromium import launched
from tests.support.signed_in import NAME, cookie
from tests.support.until import until
from tests.support.world import World


@pytest.fixture
def tab(core: Flask, world: World) -> Iterator[Page]:
    """The owner's tab at the list of servers, while all processes run."""
    world.processes.start("web")
    value, url = cookie(core, world.person_id), world.processes.url
    with launched() as browser:
        context = browser.new_context(base_url=url)
        context.add_cookies([{"name": NAME, "value": value, "url": url}])
        page = context.new_page()
        page.goto("/servers")
        yield page


def a_minute_later(*parts: Part) -> None:
    """As if they had not been seen for so long."""
    for part in parts:
        queue.redis().pexpire(f"cloudpilot:seen:{part}", pulse.KEEP_MS - 61_000)


def asked_again(page: Page) -> None:
    """What an open page does every twenty seconds, now."""
    page.evaluate(
        "htmx.ajax('GET', document.getElementById('pulse').getAttribute('hx-get'),"
        " {source: '#pulse', target: '#pulse', swap: 'outerHTML'})"
    )


def health(world: World) -> dict[str, Any]:
    with urlopen(f"{world.processes.url}/healthz", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_killed_worker_is_told_on_open_pages_until_it_is_back(world: World, tab: Page) -> None:
    until(lambda: health(world), lambda said: said["status"] == "ok")
    expect(tab.locator("#pulse .notice")).to_have_count(0)
    world.processes.kill("worker")
    asked_again(tab)
    expect(tab.locator("#pulse .notice")).to_have_count(0)  # it may be a restart
    a_minute_later(Part.LOOKS, Part.WORK, Part.ASKED, Part.TICK)
    asked_again(tab)
    told = tab.locator("#pulse .notice")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("No worker has been seen since")
    expect(told).to_contain_text("python worker.py")
    said = health(world)
    assert (said["status"], said["database"], said["redis"]) == ("degraded", True, True)
    assert said["seconds_since"]["work"] > 60 > said["seconds_since"]["clock"]
    world.processes.start("worker")
    until(lambda: health(world), lambda said: said["status"] == "ok")
    asked_again(tab)
    expect(told).to_have_count(0)


def test_each_line_of_the_log_about_a_run_names_it(world: World) -> None:
    world.cut()
    run_id = world.back_up()
    world.until(run_id, lambda run: run.error_code == "SSH_UNREACHABLE")
    until(lambda: lines_about(world, str(run_id)), bool)
    [line, *_others] = lines_about(world, str(run_id))
    assert "SSH_UNREACHABLE" in line["message"]
    assert line["kind"] == "make"
    assert len(line["job"]) == 36
    others = [line for line in lines(world) if "run" not in line]
    assert all(str(run_id) not in line["message"] for line in others)


def test_looks_in_threads_name_their_run(world: World) -> None:
    world.hold()
    run_id = world.back_up()
    world.until(run_id, lambda run: run.stage == "archive")
    world.change_server(private_key="not sealed")  # the next look cannot even begin
    until(
        lambda: [x for x in lines_about(world, str(run_id)) if x["logger"].endswith("looks")], bool
    )


def lines(world: World) -> list[dict[str, Any]]:
    said = world.processes.said("worker").splitlines()
    return [json.loads(line) for line in said if line.startswith("{")]


def lines_about(world: World, run_id: str) -> list[dict[str, Any]]:
    return [line for line in lines(world) if line.get("run") == run_id]
