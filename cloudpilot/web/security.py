"""What every answer carries, and how cookies are made."""

from flask import Flask, Response, request

from cloudpilot.domain.sessions import LIFETIME
from cloudpilot.secrets import Secret, subkey
from cloudpilot.settings import Settings

FORM_BYTES_AT_MOST = 1024 * 1024
A_YEAR = 365 * 24 * 3600

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def register(app: Flask, settings: Settings) -> None:
    """Set up cookies, limits of size and headers of `app`."""
    app.config.update(
        SECRET_KEY=_cookie_key(settings.secret_key),
        SECRET_KEY_FALLBACKS=[_cookie_key(key) for key in settings.secret_keys_old],
        SESSION_COOKIE_NAME="__Host-cloudpilot" if settings.is_https else "cloudpilot",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,  # a page that polls must not keep a session alive
        PERMANENT_SESSION_LIFETIME=LIFETIME,
        WTF_CSRF_TIME_LIMIT=None,  # a form is good for as long as its session
        WTF_CSRF_SECRET_KEY=subkey(settings.secret_key, "csrf"),
        MAX_CONTENT_LENGTH=FORM_BYTES_AT_MOST,
        MAX_FORM_MEMORY_SIZE=FORM_BYTES_AT_MOST,
    )

    @app.after_request
    def add_headers(answer: Response) -> Response:
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)  # a view may ask for less
        answer.headers["Cache-Control"] = _cache_control()
        if settings.is_https:
            answer.headers["Strict-Transport-Security"] = f"max-age={A_YEAR}"
        return answer


def _cookie_key(master: Secret) -> bytes:
    return subkey(master, "cookies")


def _cache_control() -> str:
    """A file whose address holds its hash never changes; a page is always asked for anew."""
    if request.endpoint != "static":
        return "no-store"
    return f"public, max-age={A_YEAR}, immutable" if "v" in request.args else "no-cache"
