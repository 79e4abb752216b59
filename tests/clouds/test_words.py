"""What is pure: names, prices, sentences, what answers mean."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot import clock
from cloudpilot.clouds import aws_words, naming, prices, refusals
from cloudpilot.clouds.base import Part, Snapshot, State
from cloudpilot.clouds.naming import Ref
from cloudpilot.errors import CloudPilotError, SnapshotMissing
from cloudpilot.kinds import CloudKind
from cloudpilot.secrets import Secret

TAG = "3f0c9b1e-7a52-4c1d-9d0e-2b6f8a4c5d6e"


def snapshot(size: int | None) -> Snapshot:
    parts = (Part("snap-1", "vol-1", size),)
    return Snapshot("r", TAG, "i-1", State.DONE, 100, parts, size, clock.now())


@given(st.text(max_size=400))
def test_names_are_of_letters_that_every_provider_takes(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9 ._:/=+@-]{0,50}", naming.plain(text, 50))
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,48}-3f0c9b1e", naming.host_name(text, TAG))
    assert "\n" not in naming.sentence(text)


@given(st.text(max_size=60))
def test_whatever_is_no_ref_is_missing(text: str) -> None:
    with pytest.raises(SnapshotMissing):
        Ref.of(text)


def test_a_ref_says_what_it_was_made_of() -> None:
    told = Ref(TAG, "shop (1)/web-1", 1_764_417_600, "snap-1,snap-2")
    assert Ref.of(str(told)) == told
    assert naming.fit("a|b") == naming.fit("x" * 701) == ""


def test_only_names_of_ours_have_a_tag() -> None:
    assert naming.tag_in(naming.name_of(TAG)) == naming.tag_in(f"cloudpilot-{TAG}-12") == TAG
    for name in (None, "", TAG, f"cloudpilot-{TAG}x", f"x-cloudpilot-{TAG}", f"cloudpilot-{TAG}\n"):
        assert naming.tag_in(name) == ""


@pytest.mark.parametrize("kind", CloudKind)
def test_a_price_is_the_size_by_the_list(kind: CloudKind) -> None:
    told = prices.month(kind, snapshot(100 * 2**30))
    assert f"${prices.LIST[kind].cents:.2f} a month" in told
    assert "2025" in told
    assert prices.month(kind, snapshot(None)) == ""


def test_when_to_come_again_is_told_in_seconds_or_as_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 <= refusals.seconds_in({"retry-after": at}) <= 90
    assert refusals.seconds_in({"retry-after": "999999"}) == refusals.LONGEST_WAIT
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert refusals.seconds_in({"retry-after": past}) == 1
    assert refusals.seconds_in({"ratelimit-reset": "x"}) == refusals.WAIT


def test_every_status_means_one_of_our_failures() -> None:
    for status in range(300, 600):
        failure = refusals.by_status(status, "Words.", 7)
        assert isinstance(failure, CloudPilotError)
        assert failure.code.startswith("CLOUD_")
        assert failure.transient == (status in {408, 429} or (status >= 500 and status != 501))


def test_words_are_one_sentence_without_what_is_hidden() -> None:
    secret = str(uuid4())
    told = refusals.said("AWS", 400, "do it", f"No\n for {secret}... ", (Secret(secret),))
    assert told == "AWS answered 400 when asked to do it: No for ***."
    assert refusals.said("AWS", 400, "do it", "") == "AWS answered 400 when asked to do it."


@pytest.mark.parametrize("count", [1, aws_words.MOST_IDS, aws_words.MOST_IDS + 1, 128])
def test_a_ref_of_many_volumes_is_short_and_knows_how_many(count: int) -> None:
    found = [
        {"SnapshotId": f"snap-{number:017x}", "VolumeId": f"vol-{number}", "VolumeSize": 1,
         "State": "completed", "StartTime": clock.now()}
        for number in range(count)
    ]  # fmt: skip
    told = Ref(TAG, "i-0123456789abcdef0", naming.now(), aws_words.more(found))
    assert len(str(told)) < 1_000
    assert Ref.of(str(told)) == told
    assert aws_words.expected(told) == count
    assert aws_words.snapshot(told, found).state is State.DONE
    assert aws_words.snapshot(told, found[1:]).state is State.PENDING
