"""Two transactions, of which the second begins before the first has ended."""

from collections.abc import Callable
from threading import Event, Thread

from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot.db import transaction

SECONDS = 10  # until a thread that hangs is given up
A_MOMENT = 1  # for the second to come as far as it can without the first


def overlapping(core: Flask, *steps: Callable[[Session], object]) -> None:
    """The first step is done and not committed until the second has come as far as it can."""
    first, second = steps
    is_done, goes_on = Event(), Event()

    def begin() -> None:
        with core.app_context(), transaction() as session:
            first(session)
            session.flush()
            is_done.set()
            goes_on.wait(SECONDS)

    def follow() -> None:
        with core.app_context(), transaction() as session:
            second(session)

    threads = [Thread(target=begin), Thread(target=follow)]
    threads[0].start()
    assert is_done.wait(SECONDS)
    threads[1].start()
    threads[1].join(A_MOMENT)
    goes_on.set()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
