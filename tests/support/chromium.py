"""A real Chromium, without a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.must_run import must_run

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",  # tests run as root, too
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SECONDS = 20  # that an expectation has to come true: neighbours may be at work


@contextmanager
def launched() -> Iterator[Browser]:
    """Yields the browser; skips the test if there is none."""
    if not Path(CHROMIUM).exists():
        must_run("chromium", "it is not installed")
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()
