"""A real Chromium: Debian's, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.support.must_run import must_run

QUIET = [
    "--no-sandbox",  # tests run as root, too
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser for one block."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        must_run("chromium", "it is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()
