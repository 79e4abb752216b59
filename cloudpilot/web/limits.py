"""How often one may try: by address and by account, counted in Redis, in memory without it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from cloudpilot.domain.people import folded
from cloudpilot.settings import Settings

BY_ADDRESS = "20/minute;200/hour"
BY_ACCOUNT = "6/minute;30/hour"

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

limiter = Limiter(get_remote_address, strategy="moving-window", in_memory_fallback_enabled=True)


def attempts(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Limit how often this form may be sent."""
    by_address = limiter.limit(BY_ADDRESS, methods=["POST"])
    by_account = limiter.limit(BY_ACCOUNT, methods=["POST"], key_func=_account)
    return by_address(by_account(view))


def register(app: Flask, settings: Settings) -> None:
    """Count where `app` keeps its queue."""
    app.config["RATELIMIT_STORAGE_URI"] = settings.redis_url.replace("unix://", "redis+unix://", 1)
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"socket_connect_timeout": 1, "socket_timeout": 1}
    app.config["RATELIMIT_KEY_PREFIX"] = "cloudpilot"
    limiter.init_app(app)


def _account() -> str:
    return f"account:{folded(request.form.get('email', ''))[:200]}"
