"""Waiting for a condition, with a deadline; never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(
    look: Callable[[], Value], good: Callable[[Value], object], *, seconds: float = 30
) -> Value:
    """The first value that is good; raises AssertionError with the last one after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = look()
        if good(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; the last was {value!r}")
        time.sleep(0.05)


def pause(seconds: float) -> None:
    """For what is left to chance, as the moment of a kill; never to wait for something."""
    time.sleep(seconds)
