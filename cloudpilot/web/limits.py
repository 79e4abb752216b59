"""How often one may try: by address and by account, counted in Redis, in memory without it."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from cloudpilot import clock
from cloudpilot.domain.people import folded
from cloudpilot.settings import Settings

BY_ADDRESS = "20/minute;200/hour"
BY_ACCOUNT = "6/minute;60/hour"
REDIS_SECONDS = 1  # a sign-in does not wait longer for a counter
_EXTENSION = "cloudpilot.attempts"

View = TypeVar("View", bound=Callable[..., Any])


def attempts(view: View) -> View:
    """Limit how often this form may be sent."""
    view.limited = True  # type: ignore[attr-defined]
    return view


def register(app: Flask, settings: Settings) -> None:
    """Count where `app` keeps its queue. To be called when all views are known."""
    limiter = Limiter(
        get_remote_address,
        strategy="moving-window",
        storage_uri=settings.redis_url.replace("unix://", "redis+unix://", 1),
        storage_options={
            "socket_connect_timeout": REDIS_SECONDS,
            "socket_timeout": REDIS_SECONDS,
        },
        in_memory_fallback_enabled=True,
        key_prefix="cloudpilot",
    )
    limiter.init_app(app)
    app.extensions[_EXTENSION] = limiter
    by_address = limiter.limit(BY_ADDRESS, methods=["POST"])
    by_account = limiter.limit(BY_ACCOUNT, methods=["POST"], key_func=_account)
    views: dict[str, Any] = app.view_functions
    for endpoint, view in views.items():
        if getattr(view, "limited", False):
            views[endpoint] = by_address(by_account(view))


def seconds_to_wait() -> int | None:
    """When the limit that this request has broken lets it through again; None if nobody knows."""
    broken = current_app.extensions[_EXTENSION].current_limit
    return max(1, broken.reset_at - int(clock.now().timestamp())) if broken else None


def _account() -> str:
    return f"account:{folded(request.form.get('email', ''))[:200]}"
