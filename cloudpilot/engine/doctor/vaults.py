"""Whether a server reaches a vault by itself: what came of one small signed upload, in words."""

from cloudpilot.engine.doctor.line import Level, Line
from cloudpilot.engine.reaching import CONNECT, RESOLVE, TIME_OUT, TLS, Reached

SKEW_AT_MOST = 300  # seconds; some stores refuse signatures that are fifteen minutes off
_NOT_OUT = "Let the server out to it: a firewall or a missing proxy route stops it; `curl -v HOST`."
_NO_ANSWER = {
    RESOLVE: ("its name cannot be resolved", "Look at `/etc/resolv.conf`; `getent hosts HOST`."),
    CONNECT: ("no connection can be made", _NOT_OUT),
    TIME_OUT: ("it does not answer in time", _NOT_OUT),
}
_NO_TRUST = (
    "`apt-get install --reinstall ca-certificates`, or `dnf reinstall ca-certificates`; and look at"
    " the server's clock."
)


def line(vault_id: str, name: str, host: str, reached: Reached) -> Line:
    """The line of one vault; `host` is where it is.

    >>> line("1", "offsite", "s3.example", Reached(200, 0, "", 0.2, "abc", "7.88.1")).level
    'ok'
    >>> line("1", "offsite", "s3.example", Reached(0, 6, "", None, "", "7.88.1")).detail
    'This server cannot reach s3.example: its name cannot be resolved.'
    """
    level, detail, remedy = _said(host, reached)
    return Line(f"vault_{vault_id}", level, f"Vault {name}", detail, remedy, steady=False)


def unknown(vault_id: str, name: str, why: str, remedy: str) -> Line:
    """It could not be asked."""
    detail = f"It could not be tried from this server: {why}"
    return Line(f"vault_{vault_id}", "warning", f"Vault {name}", detail, remedy, steady=False)


def _said(host: str, reached: Reached) -> tuple[Level, str, str]:
    if not reached.status:
        return "failed", *_no_answer(host, reached.curl)
    if not 200 <= reached.status < 300:
        said = f" ({reached.said})" if reached.said else ""
        off = _off(reached.skew)
        remedy = off[1] if off else "Check the vault on its own page: it says what is missing."
        return "failed", f"The store answered {reached.status}{said} to this server.", remedy
    if off := _off(reached.skew):
        return "warning", *off
    return "ok", f"A small object was sent from here to {host} (curl {reached.version}).", ""


def _no_answer(host: str, curl: int) -> tuple[str, str]:
    if curl in TLS:
        return f"This server does not trust {host}, or cannot speak TLS with it.", _NO_TRUST
    why, remedy = _NO_ANSWER.get(curl, (f"curl ended with {curl}", _NOT_OUT))
    return f"This server cannot reach {host}: {why}.", remedy.replace("HOST", host)


def _off(skew: float | None) -> tuple[str, str] | None:
    if skew is None or abs(skew) <= SKEW_AT_MOST:
        return None
    words = f"{abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} the store's"
    return f"This server's clock is {words}.", "Set the clock: `timedatectl set-ntp true`."
