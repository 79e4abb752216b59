"""Logging: one JSON object a line, so that text from servers cannot forge a line of its own."""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO
from uuid import UUID

from cloudpilot import clock
from cloudpilot.redaction import redacted

_SUBJECT: ContextVar[Mapping[str, str]] = ContextVar("subject", default={})  # noqa: B039  (read only)


@contextmanager
def about(run: UUID, kind: str, job: str | None = None) -> Iterator[None]:
    """What this thread logs meanwhile is about that run, and done by that job of the queue."""
    by = {"job": job} if job else {}
    token = _SUBJECT.set({"run": str(run), "kind": str(kind), **by})
    try:
        yield
    finally:
        _SUBJECT.reset(token)


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and which run it is about; a traceback where there is one. None
    of them with secrets.

    known  values that must never be printed, whatever they look like
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        super().__init__()
        self._known = tuple(known)

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": clock.now().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage(), self._known),
            **_SUBJECT.get(),
        }
        if record.exc_info:
            entry["traceback"] = redacted(self.formatException(record.exc_info), self._known)
        return json.dumps(entry, ensure_ascii=True)


def configure(stream: TextIO | None = None, *, known: Iterable[str] = ()) -> None:
    """Send everything from this process to `stream` (standard error), as JSON lines.

    known  secrets of this panel; they are taken out wherever they appear
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(known))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Each says something for every job, every second; and paramiko repeats what we report.
    for chatty in ("rq.worker", "rq_scheduler.scheduler", "paramiko", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
