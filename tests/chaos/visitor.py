"""Somebody who looks at the panel all the time, whatever becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import cycle
from threading import Event, Thread

from tests.support.client import Client
from tests.support.until import until

PAGES = ("/", "/activity", "/backups")
BREAK = "\n"
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
    _thread: Thread = field(default_factory=Thread)

    @contextmanager
    def visiting(self) -> Iterator["Visitor"]:
        """In a thread, until the block ends."""
        browser = Client(self.url, lambda *_answer: None)
        browser.send("/sign-in", email=self.email, password=self.password)
        self._thread = Thread(target=self._look, args=(browser,), daemon=True)
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join(30)

    def faults(self, may_be_away: bool) -> list[str]:
        """Since it was last asked; it sees pages again by now.

        may_be_away  the panel may have answered that it cannot
        """
        before = self.seen
        until(lambda: self.seen > before or not self._thread.is_alive(), bool)
        found, self.wrong = self.wrong, []
        if not self._thread.is_alive():
            return [*found, "nobody looks any more"]
        return [one for one in found if not (may_be_away and "503" in one)]

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
                    self.wrong.append(f"the panel said {str(answer).partition(BREAK)[0]}")
