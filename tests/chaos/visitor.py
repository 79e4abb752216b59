"""Somebody who looks at the panel all the time, whatever becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import cycle
from threading import Event, Thread

from tests.support.client import Client

PAGES = ("/", "/activity", "/backups")
PAUSE = 0.3  # seconds between two pages


@dataclass
class Visitor:
    """Signed in, at one page after the other.

    wrong  what was answered that is not to be: a failure that nobody thought of
    """

    url: str
    email: str
    password: str
    wrong: list[str] = field(default_factory=list)
    seen: int = 0
    _ended: Event = field(default_factory=Event)

    @contextmanager
    def visiting(self) -> Iterator["Visitor"]:
        """In a thread, until the block ends."""
        browser = Client(self.url, lambda *_answer: None)
        browser.send("/sign-in", email=self.email, password=self.password)
        thread = Thread(target=self._look, args=(browser,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join(30)

    def faults(self) -> list[str]:
        """Since it was last asked."""
        found, self.wrong = self.wrong, []
        return found

    def _look(self, browser: Client) -> None:
        for path in cycle(PAGES):
            if self._ended.wait(PAUSE):
                return
            # The web is away, or its database: that may be said, in whatever words.
            with suppress(OSError, HTTPException):
                try:
                    browser.get(path)
                    self.seen += 1
                except AssertionError as answer:
                    if "503" not in str(answer).partition("\n")[0]:
                        self.wrong.append(f"the panel said {str(answer)[:300]}")
