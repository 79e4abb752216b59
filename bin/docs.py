"""Makes the pages of docs/ that are lists of what the code says; `--check` only compares."""

import sys
from pathlib import Path

from cloudpilot.catalogue import all_failures
from cloudpilot.options import OPTIONS

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTICE = "<!-- Made by `make docs` from {source}; do not edit. -->\n\n"


def errors() -> str:
    """Every failure with its code and remedy."""
    rows = [
        f"| `{kind.code}` | {kind.remedy} | {_yes(kind.transient)} | {kind.http_status} |"
        for kind in all_failures()
    ]
    return (
        NOTICE.format(source="cloudpilot/errors/") + "# Errors\n\n"
        "Every failure has a code that never changes and says what to do. *Passing* ones are tried"
        " again by themselves before anything fails.\n\n"
        "| code | what to do | passing | HTTP |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def configuration() -> str:
    """Every environment variable."""
    rows = [
        f"| `{option.name}` | {_default(option.default)} | {option.meaning} |" for option in OPTIONS
    ]
    return (
        NOTICE.format(source="cloudpilot/options.py") + "# Configuration\n\n"
        "All of it comes from the environment. A process that finds something missing or wrong"
        " says so, one sentence for each fault, and does not start.\n\n"
        "| variable | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "`CLOUDPILOT_HOME` names a folder for SQLite, Redis and a secret key, as `make run` and"
        " `make demo` set it: with it nothing else is needed. Never set it where the disk does not"
        " outlive a restart, as on a PaaS: everything the panel knows would be lost daily.\n"
    )


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _default(text: str | None) -> str:
    if text is None:
        return "*must be set*"
    return f"`{text}`" if text else "*empty*"


PAGES = {"errors.md": errors, "configuration.md": configuration}


def main() -> None:
    """Write the pages, or fail if they are not what they would be."""
    stale = [name for name, page in PAGES.items() if _text(DOCS / name) != page()]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"docs: {', '.join(stale)} not up to date: run `make docs`")
        return
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.exists() else ""


if __name__ == "__main__":
    main()
