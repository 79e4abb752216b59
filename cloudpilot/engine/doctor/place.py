"""Where backups go: whether the directory is ours, has room, and keeps what is put there."""

from cloudpilot.engine import tmpfiles
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.findings import Found
from cloudpilot.engine.packages import command

SPACE_AT_LEAST = 1000**3  # bytes; below it the check warns
SPARE = 64 * 1024**2  # bytes that a backup leaves free, see measure.sh
INODES_AT_LEAST = 100
IN_MEMORY = {"tmpfs", "ramfs"}
IN_A_CONTAINER = {"overlayfs", "aufs"}
ELSEWHERE = "Choose another directory, such as /var/backups/cloudpilot from the set-up command."


def directory(found: Found) -> Line:
    title, root, above = "Backup directory", found.asked.root, found["above"] or "/"
    kind = found["directory"] or "hidden"
    if found["above_unsafe"]:
        detail = f"{above} is writable for all without a sticky bit: anybody may replace {root}."
        return Line(
            "directory", "failed", title, detail, command("chmod", "+t", above) or ELSEWHERE
        )
    if kind == "ours":
        return Line("directory", "ok", title, f"{root} is there.", steady=False)
    if kind == "absent" and found["above_writable"]:
        return Line("directory", "ok", title, f"{root} will be created.", steady=False)
    wrong = {
        "link": f"{root} is a symbolic link: whoever made it chooses where backups go.",
        "foreign": f"{root} belongs to {found['owner'] or 'somebody else'}.",
        "shared": f"{root} is shared by everybody: it has a sticky bit.",
        "other": f"{root} is not a directory.",
        "readonly": f"{root} cannot be written to.",
        "absent": f"{root} cannot be created: {above} is not writable.",
    }
    detail = wrong.get(kind, f"{root} cannot be reached.")
    return Line("directory", "failed", title, detail, ELSEWHERE)


def space(found: Found) -> Line:
    """Room for the next backup, which is taken to be as large as the largest of the last ones."""
    title, inodes, last = "Free space", found["inodes"] or [], found.asked.last
    detail = f"{_size(found.free)} free on {found['file_system'] or 'unknown'}."
    if len(inodes) == 2 and inodes[1] and inodes[0] < INODES_AT_LEAST:
        detail += " No inodes are left: not one more file can be made."
        remedy = f"Find where most files are{_looked_through(found, 'du --inodes -xd 3')}"
        return Line("space", "failed", title, detail, remedy, steady=False)
    remedy = f"Free space, or choose a larger disk{_looked_through(found, 'du -xhd 2')}"
    if not found["blocks"]:
        return Line("space", "warning", title, "How much is free is not known.", remedy)
    if found.free < SPARE:
        detail += f" No backup is begun with less than {_size(SPARE)}."
        return Line("space", "failed", title, detail, remedy, steady=False)
    if last and found.free < last.size + SPARE:
        detail += f" The last backup of {last.of} took {_size(last.size)}."
        return Line("space", "failed", title, detail, remedy, steady=False)
    if found.free < SPACE_AT_LEAST:
        return Line("space", "warning", title, detail, remedy, steady=False)
    return Line("space", "ok", title, detail, steady=False)


def _looked_through(found: Found, how: str) -> str:
    """A command about the disk in question, not about the one that `/` is on: from where it is
    mounted, which the machine knows."""
    is_there = found["directory"] not in {None, "absent", "hidden"}
    place = command(found.asked.root if is_there else found["above"] or "/").strip("`")
    mounted = f'"$(df --output=target {place} | tail -n 1)"'
    return f": `{how} {mounted} | sort -h | tail`" if place else "."


def inodes(found: Found) -> int | None:
    """How many files can still be made there; None where that has no limit, or is not known."""
    free, *all_of_them = found["inodes"] or [0]
    return free if all_of_them and all_of_them[0] else None


def _size(count: int) -> str:
    """
    >>> _size(100_000), _size(67_108_864), _size(2_500_000_000)
    ('0.1 MB', '67.1 MB', '2.5 GB')
    """
    unit, size = ("GB", 1000**3) if count >= 1000**3 else ("MB", 1000**2)
    return f"{count / size:.1f} {unit}"


def trap(found: Found) -> str | None:
    """Why this directory does not keep what is put there; None if it does."""
    root, days = found.asked.root, found.asked.retention_days
    if found["file_system"] in IN_MEMORY:
        return f"{root} is in memory: it is lost at every reboot and fills the server's RAM."
    if found["file_system"] in IN_A_CONTAINER:
        return f"{root} is inside the container: it is lost when the container is replaced."
    emptied, age = tmpfiles.fate(found.rules, root)
    if emptied:
        return f"{root} is emptied at every boot."
    if age is not None and age < days * 86400:
        return (
            f"Files in {root} are removed after {age / 86400:g} days; backups are to stay longer."
        )
    return None


def keeps(found: Found) -> Line:
    caught = trap(found)
    if caught is None:
        return Line("trap", "ok", "Keeps files", "Nothing is known to clean the backup directory.")
    better = found["alternative"]
    remedy = (
        "Choose /var/backups/cloudpilot." if better else "Choose a folder on a disk that stays."
    )
    return Line("trap", "warning", "Keeps files", caught, remedy)
