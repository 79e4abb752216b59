"""Logging: one JSON object a line, so that text from servers cannot forge a line of its own."""

import json
import logging
import sys
from typing import TextIO

from cloudpilot import clock


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message; a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": clock.now().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=True)


def configure(stream: TextIO | None = None) -> None:
    """Send everything from this process to `stream` (standard error), as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Each says something for every job, every second; and paramiko repeats what we report.
    for chatty in ("rq.worker", "rq_scheduler.scheduler", "paramiko", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
