"""Passwords: what is kept of them, and what is compared."""

import subprocess
import sys
import time

import pytest

from cloudpilot.domain import passwords
from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret

RIGHT = Secret("correct horse battery")
HASH = passwords.hashed(RIGHT)


def test_what_is_kept_is_argon2_and_not_the_password() -> None:
    assert HASH.startswith("$argon2id$")
    assert RIGHT.reveal() not in HASH
    assert passwords.hashed(RIGHT) != HASH  # salted


@pytest.mark.parametrize(
    "given", ["", "correct horse batter", "correct horse battery ", "x" * 5000]
)
def test_only_the_right_one_matches(given: str) -> None:
    assert passwords.matches(HASH, RIGHT)
    assert not passwords.matches(HASH, Secret(given))


@pytest.mark.parametrize("known", [None, "", "!", "$argon2id$damaged"])
def test_what_is_no_hash_matches_nothing(known: str | None) -> None:
    for given in ("", "nobody's", "!"):
        assert not passwords.matches(known, Secret(given))


def test_nobodys_password_takes_as_long_as_a_wrong_one() -> None:
    """Or the time would say which addresses are somebody's."""

    def seconds(known: str | None) -> float:
        started = time.process_time()
        passwords.matches(known, Secret("wrong"))
        return time.process_time() - started

    passwords.matches(None, Secret("warms up"))
    somebody = sorted(seconds(HASH) for _ in range(5))[2]
    nobody = sorted(seconds(None) for _ in range(5))[2]
    assert 0.5 < nobody / somebody < 2


@pytest.mark.parametrize("text", ["", "123456789", "x" * 1025])
def test_a_new_password_has_a_length(text: str) -> None:
    with pytest.raises(InvalidConfig, match="at least 10"):
        passwords.valid(text)
    assert passwords.valid("1234567890").reveal() == "1234567890"


def test_a_flood_of_sign_ins_does_not_fill_the_memory() -> None:
    """Each hash takes 64 MiB; sixteen threads ask for one at once."""
    program = (
        "import re; from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "from cloudpilot.domain import passwords; from cloudpilot.secrets import Secret\n"
        "with Pool(16) as pool: list(pool.map(passwords.hashed, [Secret('x' * 12)] * 16))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60)
    assert int(said) < 320 * 1024  # kB
