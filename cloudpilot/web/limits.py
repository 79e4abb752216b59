"""How often one may try to get in.

Two doors, one behind the other: Redis counts what is sent from an address (memory does, without
it), and rows count what was refused, by address and by account.
"""

import hmac
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app
from flask_limiter import Limiter

from cloudpilot import clock, redis_server
from cloudpilot.db import transaction
from cloudpilot.domain import attempts as counted
from cloudpilot.domain import audit
from cloudpilot.domain.attempts import Knock, SignInFailure, network_of
from cloudpilot.domain.audit import Action, Actor
from cloudpilot.domain.people import Person, folded
from cloudpilot.secrets import subkey
from cloudpilot.settings import Settings
from cloudpilot.web.access import address

BY_ADDRESS = "20/minute;200/hour"
SOMEBODY = "somebody"  # in the audit log: what they typed may be a password in the wrong field
REDIS_SECONDS = 1  # a sign-in does not wait longer for a counter
_EXTENSION = "cloudpilot.attempts"

View = TypeVar("View", bound=Callable[..., Any])


def attempts(view: View) -> View:
    """Limit how often this form may be sent."""
    view.limited = True  # type: ignore[attr-defined]
    return view


def register(app: Flask, settings: Settings) -> None:
    """Count where `app` keeps its queue. To be called when all views are known."""
    timeouts = {"socket_connect_timeout": REDIS_SECONDS, "socket_timeout": REDIS_SECONDS}
    pool = redis_server.pool(settings, **timeouts)
    limiter = Limiter(
        lambda: network_of(address()),
        strategy="moving-window",
        storage_uri=settings.redis_url.replace("unix://", "redis+unix://", 1),
        storage_options={"connection_pool": pool},  # type: ignore[dict-item]  # as limits takes it
        in_memory_fallback_enabled=True,
        key_prefix="cloudpilot",
    )
    limiter.init_app(app)
    app.extensions[_EXTENSION] = limiter
    by_address = limiter.limit(BY_ADDRESS, methods=["POST"])
    views: dict[str, Any] = app.view_functions
    for endpoint, view in views.items():
        if getattr(view, "limited", False):
            views[endpoint] = by_address(view)


def attempt(email: str = "") -> SignInFailure:
    """Count an attempt of this visitor; raises TooManyAttempts.

    email  of the account that is tried, as it was typed; empty at other doors
    """
    account = _account_hash(email) if email else ""
    with transaction() as session:
        return counted.begin(session, Knock(network_of(address()), account, email))


def refused(attempt: SignInFailure, person: Person | None = None, door: str = "sign-in") -> None:
    """Write into the audit log that an attempt has failed: one entry a minute of each kind.

    person  whose account it was, if it is anybody's
    """
    name = person.email if person else ""
    with transaction() as session:
        if counted.is_first(session, attempt):
            by = Actor(SOMEBODY, address=address())
            audit.record(session, by, Action.SIGN_IN_REFUSED, person, name=name, door=door)


def seconds_to_wait() -> int | None:
    """When the limit that this request has broken lets it through again; None if nobody knows."""
    broken = current_app.extensions[_EXTENSION].current_limit
    return max(1, broken.reset_at - int(clock.now().timestamp())) if broken else None


def _account_hash(email: str) -> str:
    """Under a key of ours: what was typed, perhaps a password, cannot be guessed from a row."""
    settings: Settings = current_app.extensions["settings"]
    key = subkey(settings.secret_key, "attempts")
    return hmac.digest(key, folded(email).encode("utf-8", "surrogatepass"), "sha256").hex()
