"""Runs at a server without a panel: sent, and watched to their end."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.reports import Report
from cloudpilot.secrets import Secret

PAUSE = 0.05  # seconds between two looks


def nothing() -> None:
    """Only wait."""


def done(
    session: Session,
    place: Place,
    files: Mapping[str, bytes],
    secrets: Mapping[str, Secret] = MappingProxyType({}),
    *,
    meanwhile: Callable[[], None] = nothing,
) -> Report:
    """To its end, which has to be a good one."""
    detached.launch(session, place, files, secrets)
    while not (report := detached.look(session, place)).over:
        meanwhile()
        time.sleep(PAUSE)
    assert report.error is None, (report.error, report.log)
    return report
