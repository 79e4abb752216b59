"""What a browser calls itself, in words."""

from collections.abc import Sequence

# The first that is found names it: each of them also claims to be those below.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
LENGTH = 60  # characters of a name that we do not know


def browser(agent: str) -> str:
    """
    >>> browser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox on Linux'
    >>> browser("my script 1.0"), browser("")
    ('my script 1.0', 'Unknown browser')
    """
    name, system = _first(_BROWSERS, agent), _first(_SYSTEMS, agent)
    if name and system:
        return f"{name} on {system}"
    return name or agent[:LENGTH] or "Unknown browser"


def _first(known: Sequence[tuple[str, str]], agent: str) -> str:
    return next((word for sign, word in known if sign in agent), "")
