"""domain.destinations: options that mean something together."""

import pytest

from cloudpilot.domain.destinations import Destination, rate_text, valid_days, valid_rate
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidConfig

VAULT = Vault(name="offsite")


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        (Destination(streamed=True), "needs one"),
        (Destination(local_days=0), "only after an upload"),
        (Destination(rate=1), "no upload to slow down"),
        (Destination(VAULT, streamed=True, local_days=3), "not removed there"),
        (Destination(VAULT, local_days=-1), "from 0 to 365"),
        (Destination(VAULT, local_days=366), "from 0 to 365"),
        (Destination(VAULT, rate=0), "more than nothing"),
    ],
)
def test_what_contradicts_itself_is_refused(destination: Destination, said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        destination.judged()


@pytest.mark.parametrize(
    "destination",
    [
        Destination(),
        Destination(VAULT),
        Destination(VAULT, streamed=True, rate=1),
        Destination(VAULT, local_days=0),
        Destination(VAULT, local_days=365, rate=10**9),
        Destination(Vault(name="r2", equal_parts=True), streamed=True),
    ],
)
def test_what_makes_sense_is_taken(destination: Destination) -> None:
    assert destination.judged() is destination


@pytest.mark.parametrize("text", ["", "-1", "366", "1000", "1.5", "²", "a week"])
def test_days_are_days(text: str) -> None:
    with pytest.raises(InvalidConfig):
        valid_days(text)


@pytest.mark.parametrize("text", ["0", "-1", "1,5", "0.0000001", "123456", "fast", "1e3", "٣"])
def test_a_rate_is_a_number_of_megabytes(text: str) -> None:
    with pytest.raises(InvalidConfig):
        valid_rate(text)


@pytest.mark.parametrize("rate", [1_000, 500_000, 1_000_000, 12_345_000, 99_999_999_000])
def test_a_rate_is_shown_as_it_is_typed(rate: int) -> None:
    assert valid_rate(rate_text(rate)) == rate
