"""What looks like a secret does not get into a log, on either side."""

import io
import json
import logging
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot import log
from cloudpilot.engine.keypair import new_key
from cloudpilot.redaction import PATTERNS, for_sed, redacted
from cloudpilot.settings import from_environment

HIDDEN = "cAnArY0123456789abcdef"
LINES = [
    f"PUT https://b.s3.example/k?partNumber=1&X-Amz-Signature={HIDDEN}&X-Amz-Expires=60",
    f"https://b.s3.example/k?X-Amz-Security-Token={HIDDEN}",
    f"https://storage.example/b/o?X-Goog-Signature={HIDDEN}",
    f"https://acc.blob.example/c/b?sv=2024&sig={HIDDEN}&se=1",
    f"https://storage.example/upload?upload_id={HIDDEN}",
    f"curl: (22) 'sig={HIDDEN}'",
    f"Authorization: Bearer {HIDDEN}",
    f"authorization: basic {HIDDEN}==",
    f"cannot connect to postgresql://panel:{HIDDEN}@db.example/panel",
    f"redis://:{HIDDEN}@cache.example:6379/0",
    f"mysqldump: password={HIDDEN}, user=backup",
    f"Password: {HIDDEN}",
    f'access_key="{HIDDEN}"'.replace('="', "="),
    f"GET /link/{HIDDEN} failed",
    f"Exception on /link/{HIDDEN} [POST]",
]
INNOCENT = [
    "tar: /srv/www/config=a.txt: file changed as we read it",
    "3.1 GB to pack; 71.3 GB free.",
    "see https://example.com/design=1?page=2",
    "Passwords are hashed.",
    "The basic idea is a token of thanks",
]


@pytest.mark.parametrize("line", LINES)
def test_a_secret_is_taken_out_and_the_rest_stays(line: str) -> None:
    clean = redacted(line)
    assert HIDDEN not in clean
    assert "***" in clean
    assert clean.split()[0] == line.split(maxsplit=1)[0] or "***" in clean.split()[0]


@pytest.mark.parametrize("line", INNOCENT)
def test_other_words_stay_as_they_are(line: str) -> None:
    assert redacted(line) == line


def by_sed(text: str) -> str:
    sed = ["sed", "-E", "-e", for_sed()]
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        sed, input=text.encode(), capture_output=True, check=True, env=environment
    )
    return done.stdout.decode()


def test_both_sides_take_out_the_same() -> None:
    text = "\n".join((*LINES, *INNOCENT)) + "\n"
    assert by_sed(text) == redacted(text)
    assert HIDDEN not in by_sed(text)


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


def test_a_pattern_can_be_written_into_a_script_for_sed() -> None:
    assert not [find for find, put in PATTERNS if "#" in find + put or "\n" in find + put]


def test_a_private_key_is_taken_out_whole_or_cut_off() -> None:
    private, _ = new_key("x")
    whole = f"before\n{private.reveal()}after"
    assert redacted(whole) == "before\n***\nafter"
    assert redacted(whole[:150]) == "before\n***"


def test_the_log_says_no_value_that_the_panel_knows_to_be_secret() -> None:
    key, password, code = "k" * 40 + HIDDEN, f"p%40ss{HIDDEN}", f"code-{HIDDEN}"
    settings = from_environment(
        {
            "DATABASE_URL": f"postgresql://panel:{password}@db/panel",
            "REDIS_URL": "redis://:redis-password-1@cache:6379/0",
            "CLOUDPILOT_SECRET_KEY": key,
            "CLOUDPILOT_SECRET_KEYS_OLD": f"old{key}",
            "CLOUDPILOT_SETUP_CODE": code,
        }
    )
    stream = io.StringIO()
    logger = logging.Logger("x")  # of its own: the root's handlers are pytest's
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonFormatter(settings.secrets()))
    logger.addHandler(handler)
    secrets = [key, f"old{key}", password, f"p@ss{HIDDEN}", code, "redis-password-1"]
    try:
        raise ValueError(" ".join(secrets))  # noqa: TRY301
    except ValueError:
        logger.exception("%s", secrets)
    said = json.loads(stream.getvalue())
    assert "***" in said["message"]
    assert "ValueError" in said["traceback"]
    assert [secret for secret in secrets if secret in stream.getvalue()] == []
