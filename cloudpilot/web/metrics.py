"""Figures for Prometheus, counted when it asks."""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, current_app, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from cloudpilot import clock
from cloudpilot.db import reading
from cloudpilot.domain import figures
from cloudpilot.domain.figures import Figures
from cloudpilot.errors import NotFound
from cloudpilot.jobs import pulse
from cloudpilot.jobs.pulse import Pulse
from cloudpilot.settings import Settings
from cloudpilot.web.access import public

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@public
def show() -> Response:
    """For who has the token of CLOUDPILOT_METRICS_TOKEN; without one there is no such page."""
    settings: Settings = current_app.extensions["settings"]
    if settings.metrics_token is None:
        raise NotFound("There is no such page.")
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, f"Bearer {settings.metrics_token.reveal()}".encode()):
        return Response("unauthorized\n", 401, {"WWW-Authenticate": "Bearer"})
    with reading() as session:
        counted = figures.counted(session)
    registry = CollectorRegistry()
    registry.register(_Collector(counted, pulse.take()))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)


class _Collector:
    """One answer; the library asks it for each of its metrics."""

    def __init__(self, counted: Figures, seen: Pulse) -> None:
        self._counted, self._seen = counted, seen

    def describe(self) -> Iterable[Metric]:
        """Nothing before it is asked."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        it, seen = self._counted, self._seen
        yield _by("runs", "Runs, by kind and status.", ("kind", "status"), it.runs)
        yield _by("backups", "Backups ever asked for, by status.", ("status",), _one(it.backups))
        stored = {place: kept.backups for place, kept in it.stored.items()}
        yield _by("copies", "Stored copies, by kind of place.", ("place",), _one(stored))
        sizes = {place: kept.size for place, kept in it.stored.items()}
        yield _by("stored_bytes", "Bytes of stored copies.", ("place",), _one(sizes))
        yield _by("sites", "Sites, by how they are protected.", ("state",), _one(it.sites))
        yield _gauge("late_schedules", "Schedules without a good backup for too long.", it.late)
        if it.oldest:
            age = (clock.now() - it.oldest).total_seconds()
            text = "Of each site's newest good backup, the age of the oldest."
            yield _gauge("oldest_good_backup_age_seconds", text, age)
        yield _gauge("redis_up", "Whether Redis answers.", int(seen.is_there))
        text = "Since clock, workers (looks, work, asked) and a whole tick were seen."
        yield _by("seconds_since_seen", text, ("part",), _one(seen.ages))
        yield _by("queue_length", "Jobs that wait.", ("queue",), _one(seen.queues))
        text = "Workers that serve it; one that was killed counts for a minute and a half."
        yield _by("workers", text, ("queue",), _one(seen.workers))


def _one(values: Mapping[Any, float]) -> dict[Any, float]:
    return {(label,): value for label, value in values.items()}


def _by(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    metric = GaugeMetricFamily(f"cloudpilot_{name}", text, labels=labels)
    for of, value in values.items():
        metric.add_metric([str(label) for label in of], value)
    return metric


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cloudpilot_{name}", text, value=value)
