"""What we may do on a server, beside what we were given: too little fails, too much warns."""

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.findings import Found
from cloudpilot.kinds import Privilege

TITLE = "What it may do"
AGAIN = "Run the set-up command again; it is on this page, under About this server."
AS_GOOD_AS_ROOT = {"docker", "lxd", "incus-admin", "disk", "sudo", "wheel", "admin", "root"}


def privilege(found: Found) -> Line:
    """One line, by the level that was chosen for the server."""
    if found["uid"] == 0:
        return Line(
            "privilege",
            "warning",
            TITLE,
            "Signs in as root: whoever has this panel has the whole server.",
            "Use the user cloudpilot of the set-up command, and let it read what is backed up.",
        )
    return {
        Privilege.PLAIN: _plain,
        Privilege.READ_ALL: _read_all,
        Privilege.FULL: _full,
    }[found.asked.privilege](found)


def _plain(found: Found) -> Line:
    if "reads" in found["copy"]:
        return _too_much("It was to read what its user may read, but there is a tar for all files.")
    return _no_more(found, f"Reads what {found['user']} may read.")


def _read_all(found: Found) -> Line:
    copy = found["copy"]
    if "there" not in copy:
        return _too_little("It is to read every file, but the tar for that is not there.")
    if "runs" not in copy:
        return _too_little("It is to read every file, but may not run the tar that is for that.")
    if "reads" not in copy:
        return _too_little(
            "It is to read every file, but the tar for that has lost its permission."
        )
    if "same" not in copy:
        detail = "Reads every file, with an older tar than the system's own."
        return Line("privilege", "warning", TITLE, detail, f"Refresh it. {AGAIN}")
    return _no_more(found, "Reads every file and changes none.")


def _full(found: Found) -> Line:
    if found["sudo"] != "yes":
        return _too_little("It is to do anything through sudo, but sudo refuses it.")
    return Line("privilege", "ok", TITLE, "May do anything, through sudo.")


def _no_more(found: Found, detail: str) -> Line:
    if found["sudo"] == "yes":
        return _too_much(f"{detail} But sudo lets it do anything.")
    powers = sorted(AS_GOOD_AS_ROOT & set(found["groups"] or ()))
    if powers:
        return _too_much(f"{detail} But its group {powers[0]} is as good as root.")
    if found["sudo"] == "unknown":
        detail += " Whether sudo lets it do more is not known: its rules are hidden from it."
    return Line("privilege", "ok", TITLE, detail)


def _too_little(detail: str) -> Line:
    return Line("privilege", "failed", TITLE, detail, AGAIN)


def _too_much(detail: str) -> Line:
    remedy = f"Take it away if nobody needs it, or choose the level that is meant. {AGAIN}"
    return Line("privilege", "warning", TITLE, detail, remedy)
