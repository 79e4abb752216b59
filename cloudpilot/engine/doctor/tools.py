"""The tools of a backup: those it cannot do without, and those that make it faster."""

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.findings import Found, version
from cloudpilot.kinds import Privilege

BASH_AT_LEAST = (4, 4)
TAR_AT_LEAST = (1, 29)
CURL_TELLS_WHY = (7, 76)  # --fail-with-body
NEEDED = ("perl", "gzip", "setsid")
RSYNC_AT_LEAST = (3, 1, 3)  # compares times to the nanosecond
OPTIONAL = ("zstd", "curl", "age")


def dotted(text: str | None) -> tuple[int, ...]:
    """A version to compare.

    >>> dotted("1.34") > dotted("1.9"), dotted("1.1.1k"), dotted(None)
    (True, (1, 1, 1), ())
    """
    numbers = (part for part in (text or "").split("."))
    return tuple(int("".join(c for c in part if c.isdigit())[:6] or 0) for part in numbers if part)


def bash(found: Found) -> Line:
    said = found["bash"]
    if dotted(said) >= BASH_AT_LEAST:
        return Line("bash", "ok", "bash", f"{said}.")
    detail = f"{said or 'An unknown version'} is too old: 4.4 or later is needed."
    return Line("bash", "failed", "bash", detail, f"`{found.install('bash')}`")


def tar(found: Found) -> Line:
    said = found["tar"] or ""
    number = version(said)
    install = f"`{found.install('tar')}`"
    if "GNU tar" not in said:
        return Line(
            "tar", "failed", "tar", f"{said or 'Not installed'}: GNU tar is needed.", install
        )
    if dotted(number) < TAR_AT_LEAST:
        detail = f"{number} is too old: 1.29 or later is needed."
        return Line("tar", "failed", "tar", detail, install)
    names = {"acls": "access control lists", "xattrs": "extended attributes"}
    lacking = [name for word, name in names.items() if word not in found["tar_knows"]]
    if lacking:
        detail = f"{number}, built without {' and '.join(lacking)}: archives will not hold them."
        return Line("tar", "warning", "tar", detail, "Install the distribution's own tar.")
    return Line("tar", "ok", "tar", f"GNU tar {number}, with access control lists and attributes.")


def needed(found: Found) -> Line:
    missing = [tool for tool in NEEDED if not found.has(tool)]
    if missing:
        detail = f"Not installed: {', '.join(missing)}. No backup can be made without."
        return Line("needed", "failed", "Needed tools", detail, f"`{found.install(*missing)}`")
    return Line("needed", "ok", "Needed tools", _list(found, NEEDED))


def compressor(found: Found) -> Line:
    """The fastest that is there is taken; that there is a faster one is a tip, no fault."""
    title, tip = "Compression", f"`{found.install('igzip')}`"
    if found.has("igzip"):
        return Line("compressor", "ok", title, f"{_named(found, 'igzip')}, the fastest.")
    if found.has("pigz"):
        detail = f"{_named(found, 'pigz')}. igzip would be about six times as fast."
        return Line("compressor", "ok", title, detail, tip if "pigz" not in tip else "")
    if found.has("gzip"):
        faster = (
            "igzip would be about fourteen times as fast"
            if "pigz" not in tip
            else "pigz uses more cores"
        )
        return Line("compressor", "ok", title, f"{_named(found, 'gzip')}. {faster}.", tip)
    return Line("compressor", "failed", title, "No gzip.", f"`{found.install('gzip')}`")


def hashing(found: Found) -> Line:
    if found.has("openssl"):
        return Line("hash", "ok", "SHA-256", f"{_named(found, 'openssl')}.")
    tip = f"`{found.install('openssl')}`"
    if found.has("sha256sum"):
        detail = "sha256sum. openssl would be about four times as fast."
        return Line("hash", "ok", "SHA-256", detail, tip)
    return Line("hash", "failed", "SHA-256", "No tool for it.", tip)


def rsync_of_trees(found: Found) -> str:
    """The version of an rsync that makes snapshot trees; nothing if there is none."""
    said: str = found["rsync"] or ""
    return said if dotted(said) >= RSYNC_AT_LEAST else ""


def trees(found: Found) -> Line:
    """No backup needs it; it is what lets full trees of every day take little room."""
    title, tip = "Snapshot trees", f"`{found.install('rsync')}`"
    if rsync_of_trees(found) and found.asked.privilege is Privilege.READ_ALL:
        detail = f"rsync {found['rsync']}. Trees take all rights, not that to read everything."
        return Line("trees", "ok", title, detail)
    if rsync_of_trees(found):
        return Line("trees", "ok", title, f"rsync {found['rsync']}: they can be made.")
    if found.has("rsync"):
        detail = f"rsync {found['rsync'] or 'of no known version'} is too old: 3.1.3 or later."
        return Line("trees", "ok", title, detail)
    detail = "With rsync each backup of files can be a full tree; only changes take room."
    return Line("trees", "ok", title, detail, tip)


def usable(found: Found) -> list[str]:
    """Of what only some backups take, which are there."""
    there = [tool for tool in ("zstd", "curl") if found.has(tool)]
    return [*there, *(["rsync"] if rsync_of_trees(found) else [])]


def optional(found: Found) -> Line:
    """What no backup needs so far is never a fault."""
    there = [tool for tool in OPTIONAL if found.has(tool)]
    absent = [tool for tool in OPTIONAL if not found.has(tool)]
    detail = _list(found, there) if there else ""
    if absent:
        detail += f" Not there, and not needed now: {', '.join(absent)}."
    if found.has("curl") and dotted(found["curl"]) < CURL_TELLS_WHY:
        detail += " This curl cannot say why an upload is refused; 7.76 can."
    return Line("optional", "ok", "Further tools", detail.strip())


def _list(found: Found, tools: tuple[str, ...] | list[str]) -> str:
    return ", ".join(_named(found, tool) for tool in tools) + "."


def _named(found: Found, tool: str) -> str:
    return f"{tool} {found[tool]}".strip()
