"""The machine itself: how one gets in, what it is, its clock, and whether work may go on."""

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.findings import Found
from cloudpilot.engine.packages import command

SKEW_AT_MOST = 60  # seconds
LOGIN_AT_MOST = 4  # seconds
SHELLS = {"bash", "sh", "dash", "ash", "zsh", "ksh", "mksh", "rbash"}


def reach(found: Found) -> Line:
    seconds = found.asked.login_seconds
    detail = f"Signed in as {found['user'] or '?'} in {seconds:.1f} s."
    if seconds <= LOGIN_AT_MOST:
        return Line("reach", "ok", "Reachable", detail, steady=False)
    remedy = (
        "Often its sshd looks for names that nobody answers for: put `UseDNS no` into"
        " /etc/ssh/sshd_config and restart it."
    )
    return Line("reach", "warning", "Reachable", f"{detail} That is slow.", remedy, steady=False)


def system(found: Found) -> Line:
    detail = f"{found['os'] or 'Unknown'}, kernel {found['kernel'] or '?'}."
    container = found["container"]
    if container and container != "none":
        detail += f" Runs inside a container ({container})."
    return Line("os", "ok", "System", detail)


def clock_skew(found: Found) -> int:
    """Seconds that the server's clock is fast."""
    return round((found["now"] or 0) - found.asked.now)


def clock(found: Found) -> Line:
    skew = clock_skew(found)
    if abs(skew) <= SKEW_AT_MOST:
        return Line("clock", "ok", "Clock", "Agrees with the panel's.", steady=False)
    which = "fast" if skew > 0 else "slow"
    detail = f"{abs(skew)} seconds {which}, compared with the panel's."
    remedy = "Have it set from the network: `timedatectl set-ntp true`"
    return Line("clock", "warning", "Clock", detail, remedy, steady=False)


def shell(found: Found) -> Line | None:
    """Only an odd one is worth a line: what starts up in it may speak, hang or refuse."""
    path = found["shell"] or ""
    if path.rsplit("/", 1)[-1] in SHELLS or not path:
        return None
    return Line(
        "shell",
        "warning",
        "Login shell",
        f"{path} is an odd one for work without a person.",
        f"Give it bash: {command('usermod', '-s', '/bin/bash', found['user'] or '')}",
    )


def goes_on(found: Found) -> Line | None:
    """Where systemd ends what a user has left running, a backup would end with the connection."""
    if not found["systemd"]:
        return None
    title = "Goes on without us"
    if found["kills"] != "yes" or found["linger"]:
        detail = "A backup is not ended when the connection is."
        return Line("linger", "ok", title, detail)
    return Line(
        "linger",
        "failed",
        title,
        "This server ends a user's processes at sign-out: a backup would end with the connection.",
        f"Let them go on: {command('loginctl', 'enable-linger', found['user'] or '')}",
    )
