"""Sizes as people read them."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human_bytes(count: int) -> str:
    """A size in the units that disks are sold in.

    >>> [human_bytes(n) for n in (0, 999, 1000, 12_345_678, 999_999, 5_000_000_000_000)]
    ['0 B', '999 B', '1.0 kB', '12.3 MB', '1.0 MB', '5.0 TB']
    """
    size, unit = float(count), 0
    while size >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
