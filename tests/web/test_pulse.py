"""The banner: what it says of what is silent, on every page, to everybody; and that it goes."""

import pytest

from cloudpilot import clock
from cloudpilot.jobs import pulse
from cloudpilot.jobs.pulse import Part, Pulse
from cloudpilot.kinds import Role
from cloudpilot.web.pulse import silences
from tests.web.conftest import Browser

ALL_SEEN = dict.fromkeys(Part, 0.0)


def silent(*parts: Part) -> Pulse:
    return Pulse(True, ALL_SEEN | dict.fromkeys(parts, 90.0))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Pulse]:
    """What is found from now on: the last of these."""
    line = [silent()]
    monkeypatch.setattr(pulse, "take", lambda: line[-1])
    return line


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ([], []),
        ([Part.TICK], ["tick"]),
        ([Part.CLOCK, Part.TICK], ["clock"]),
        ([Part.LOOKS, Part.TICK], ["looks"]),
        ([Part.WORK], ["work"]),  # one that is kept free is there, and does nothing of that
        ([Part.WORK, Part.ASKED], ["asked-work"]),
        ([Part.WORK, Part.LOOKS, Part.TICK], ["work", "looks"]),
        ([Part.LOOKS, Part.WORK, Part.ASKED, Part.TICK], ["asked-looks-work"]),
        ([Part.WORK, Part.ASKED, Part.CLOCK, Part.TICK], ["asked-work", "clock"]),
        (list(Part), ["asked-looks-work", "clock"]),
    ],
)
def test_each_silence_is_told_once_and_not_what_follows_from_it(
    parts: list[Part], names: list[str]
) -> None:
    assert [one.name for one in silences(silent(*parts))] == names
    assert silences(silent(*parts), seconds=91) == []


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
def test_every_page_tells_everybody_what_is_silent_and_what_to_do(
    found: list[Pulse], role: Role, sign_in: object
) -> None:
    browser: Browser = sign_in(role)  # type: ignore[operator]
    found.append(silent(Part.LOOKS, Part.WORK, Part.ASKED))
    for path in ("/", "/servers", "/activity", "/account"):
        told = browser.get(path).one("div", id="pulse").text
        assert "No worker has been seen since " in told
        assert "python worker.py" in told
        assert "heroku ps:scale worker=1" in told
        assert "1 min ago" in told


def test_an_open_page_hears_of_it_when_it_changes_and_only_then(
    found: list[Pulse], owner: Browser
) -> None:
    assert owner.client.get("/pulse?seen=").status_code == 204
    found.append(silent(Part.CLOCK))
    answer = owner.client.get("/pulse?seen=")
    assert answer.status_code == 200
    assert "The clock has not been seen since" in answer.text
    assert "seen=clock" in answer.text
    assert owner.client.get("/pulse?seen=clock").status_code == 204
    found.append(silent())
    answer = owner.client.get("/pulse?seen=clock")
    assert answer.status_code == 200
    assert "notice" not in answer.text


def test_it_says_that_redis_is_away_and_why_it_is_not_trusted(owner: Browser) -> None:
    """In these tests there is none."""
    assert "Redis does not answer." in owner.get("/").one("div", id="pulse").text
    [told] = silences(Pulse(False, distrust="self-signed certificate"))
    assert told.what.endswith("is not trusted: self-signed certificate.")
    assert "redis-certificate" in told.remedy


def test_a_page_holds_the_banner_letter_for_letter(
    found: list[Pulse], owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    found.append(silent(Part.WORK))
    assert owner.client.get("/pulse").text.strip() in owner.client.get("/account").text


def test_another_day_is_named() -> None:
    [told] = silences(Pulse(True, ALL_SEEN | {Part.CLOCK: 3 * 86400.0}))
    assert told.when.startswith("20")
    assert silences(Pulse(False))[0].when == ""
