"""Every environment variable that the panel reads; docs/configuration.md is made from this page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudpilot.parsers import (
    address,
    certificate,
    choice,
    database,
    metrics_token,
    number,
    optional_secret,
    redis,
    secret_key,
    secret_keys,
    whole,
)

JOB_SECONDS = 40  # a job that hangs is ended after that long
SHORTEST_LEASE = JOB_SECONDS + 2  # seconds: until a job that was ended has gone
# Work on a server is never left alone for as long as pace.FARTHEST, half an hour: what is put off
# further is taken for a clock that was set back. The lease of an upload is six times as long.
LONGEST_LEASE = 240
LONGEST_LOOK = 600


@dataclass(frozen=True, slots=True)
class Option:
    """One environment variable. `parse` raises ValueError with a sentence."""

    name: str
    field: str
    meaning: str
    parse: Callable[[str], Any]
    default: str | None = None  # None: must be set (but under CLOUDPILOT_HOME)


def _lease(text: str) -> float:
    seconds = number(0, LONGEST_LEASE)(text)
    if seconds < SHORTEST_LEASE:
        raise ValueError(
            f"give at least {SHORTEST_LEASE} seconds: a job may take {JOB_SECONDS}, and another one"
            " would begin the same work beside it."
        )
    return seconds


OPTIONS: tuple[Option, ...] = (
    Option(
        "DATABASE_URL",
        "database_url",
        "PostgreSQL, as postgresql://user:password@host/name.",
        database,
    ),
    Option("REDIS_URL", "redis_url", "Redis, as redis://host:6379/0 or rediss://….", redis),
    Option(
        "CLOUDPILOT_REDIS_CERTIFICATE",
        "redis_certificate",
        "Which certificate of a `rediss://` is trusted: `verify` (by the system's authorities, for"
        " its name), `sha256:<fingerprint>` (that one; several with commas; `flask --app wsgi"
        " redis-certificate` prints it), the PEM text of an authority, or `any` (encrypted, but"
        " whoever stands between may be the other end).",
        certificate,
        "verify",
    ),
    Option(
        "CLOUDPILOT_SECRET_KEY",
        "secret_key",
        "at least 32 random characters; it signs cookies and seals SSH keys. Keep a copy: without"
        " it the sealed keys are lost.",
        secret_key,
    ),
    Option(
        "CLOUDPILOT_SECRET_KEYS_OLD",
        "secret_keys_old",
        "Former secret keys, separated by commas: what they sealed still opens. After"
        " `flask --app wsgi reseal` they are not needed any more.",
        secret_keys,
        "",
    ),
    Option(
        "CLOUDPILOT_URL",
        "url",
        "The address at which people open the panel; with https, cookies are Secure.",
        address,
        "http://127.0.0.1:5000",
    ),
    Option(
        "CLOUDPILOT_METRICS_TOKEN",
        "metrics_token",
        "At least 32 random characters that Prometheus sends as `Authorization: Bearer …` to"
        " `/metrics`; without it there is no such page.",
        metrics_token,
        "",
    ),
    Option(
        "CLOUDPILOT_SETUP_CODE",
        "setup_code",
        "The code that creates the owner; without it `flask --app wsgi setup-code`, part of the"
        " release phase, makes one and prints it.",
        optional_secret,
        "",
    ),
    Option(
        "CLOUDPILOT_TRUSTED_PROXIES",
        "trusted_proxies",
        "How many reverse proxies stand before the panel (1 on most PaaS): whose word about the"
        " visitor's address and scheme is taken.",
        whole(0),
        "0",
    ),
    Option(
        "CLOUDPILOT_PRIVATE_NETWORKS",
        "private_networks",
        "`allow` or `deny`: whether the panel connects to servers at private addresses and at its"
        " own machine. Link-local and metadata addresses are refused in any case.",
        choice(allow=True, deny=False),
        "allow",
    ),
    Option(
        "CLOUDPILOT_LOOK_SECONDS",
        "look_seconds",
        "Seconds between two looks at a run that is young or being watched."
        f" At most {LONGEST_LOOK}.",
        number(0.1, LONGEST_LOOK),
        "1",
    ),
    Option(
        "CLOUDPILOT_LOOK_SECONDS_AT_MOST",
        "look_seconds_at_most",
        f"Seconds between two looks at an old run that nobody watches. At most {LONGEST_LOOK}.",
        number(0.1, LONGEST_LOOK),
        "30",
    ),
    Option(
        "CLOUDPILOT_RETRY_SECONDS",
        "retry_seconds",
        "Seconds until something that failed for a passing reason is tried again; doubled each"
        " time, up to an hour.",
        number(0.1),
        "5",
    ),
    Option(
        "CLOUDPILOT_LEASE_SECONDS",
        "lease_seconds",
        "Seconds that a job has a run for itself; after a job was killed, another one takes over."
        f" At least {SHORTEST_LEASE}: a job may take {JOB_SECONDS}; what may take longer has a"
        f" longer lease in proportion. At most {LONGEST_LEASE}.",
        _lease,
        "45",
    ),
    Option(
        "CLOUDPILOT_START_ATTEMPTS",
        "start_attempts",
        "How often a backup or check is tried on a server that cannot be reached before it fails.",
        whole(1),
        "5",
    ),
    Option(
        "CLOUDPILOT_CHECK_HOURS",
        "check_hours",
        "Hours between two Checks of a server by the panel itself, at a time of day of its own.",
        number(0.1),
        "24",
    ),
    Option(
        "CLOUDPILOT_BACKUPS_AT_ONCE",
        "backups_at_once",
        "How many backups are made at once over all servers before those of schedules wait; 0: any"
        " number. What people start by hand does not wait.",
        whole(0),
        "1000",
    ),
    Option(
        "CLOUDPILOT_LOST_AFTER_HOURS",
        "lost_after_hours",
        "Hours without an answer from its server after which a running backup is given up; for as"
        " long a vault is waited for.",
        number(0.001),
        "12",
    ),
)
