"""The banner on every page while the panel itself does not work: what is silent, since when, what
to do. It is asked for again by pages that stay open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Flask, Response, make_response, render_template, request

from cloudpilot import clock
from cloudpilot.domain.people import Right
from cloudpilot.jobs import pulse
from cloudpilot.jobs.pulse import BANNER_SECONDS, Part, Pulse
from cloudpilot.web.access import needs

bp = Blueprint("pulse", __name__)

HEROKU = "or, on Heroku and its like, `heroku ps:scale {0}=1`."


@dataclass(frozen=True, slots=True)
class Silence:
    """Something of the panel that does not work."""

    name: str
    what: str  # goes on with " since …" where it has a time
    then: str  # what does not happen meanwhile
    remedy: str
    since: datetime | None = None

    @property
    def when(self) -> str:
        """By the clock; with the day if that is another."""
        if self.since is None:
            return ""
        is_today = self.since.date() == clock.now().date()
        return f"{self.since:%H:%M} UTC" if is_today else f"{self.since:%Y-%m-%d %H:%M} UTC"


STANDS = "What is under way on servers goes on."
BY_PARTS: Sequence[tuple[frozenset[Part], str, str, str]] = (
    (
        frozenset({Part.LOOKS, Part.WORK, Part.ASKED}),
        "No worker has been seen",
        f"Nothing is started, looked at or stopped. {STANDS}",
        "Start `python worker.py`; " + HEROKU.format("worker"),
    ),
    (
        frozenset({Part.WORK, Part.ASKED}),
        "No worker that starts and stops work has been seen",
        f"Nothing is started or stopped. {STANDS}",
        "Start `python worker.py work`; " + HEROKU.format("worker"),
    ),
    (
        frozenset({Part.WORK}),
        "No worker that does what is planned has been seen",
        f"Only what somebody asks for is started; no schedule begins anything. {STANDS}",
        "Start `python worker.py work`; " + HEROKU.format("worker"),
    ),
    (
        frozenset({Part.LOOKS}),
        "No worker that looks at what runs has been seen",
        f"How far work is stays unknown, and no schedule begins anything. {STANDS}",
        "Start `python worker.py looks`; " + HEROKU.format("worker"),
    ),
    (
        frozenset({Part.CLOCK}),
        "The clock has not been seen",
        "No schedule begins anything, and what was missed is not taken up.",
        "Start `python worker.py clock`; " + HEROKU.format("clock"),
    ),
    (
        frozenset({Part.TICK}),
        "No tick of the clock has come to its end",
        "Schedules begin nothing, or not all that is due.",
        "Clock and worker are there, so the worker's log says why.",
    ),
)


def silences(found: Pulse, seconds: float = BANNER_SECONDS) -> list[Silence]:
    """What to tell, what explains the most first; nothing that follows from another."""
    if not found.is_there:
        return [_redis(found)]
    silent = found.silent(seconds)
    told: list[Silence] = []
    for parts, what, then, remedy in BY_PARTS:
        explained = Part.TICK in parts and told
        if parts <= silent.keys() and not explained:
            since = max(silent.pop(part) for part in parts)
            told.append(Silence("-".join(sorted(parts)), what, then, remedy, since))
    return told


def _redis(found: Pulse) -> Silence:
    then = f"Meanwhile nothing is started or looked at. {STANDS}"
    if found.distrust:
        what = f"The certificate that Redis shows is not trusted: {found.distrust}."
        remedy = "See `CLOUDPILOT_REDIS_CERTIFICATE`; `flask --app wsgi redis-certificate` says"
        return Silence("distrust", what, then, f"{remedy} which one it shows.")
    remedy = "See that it runs, and that `REDIS_URL` names it."
    return Silence("redis", "Redis does not answer.", then, remedy)


def register(app: Flask) -> None:
    """Let every page of `app` ask."""
    app.context_processor(lambda: {"silences": lambda: silences(pulse.take())})


@bp.get("/pulse")
@needs(Right.VIEW)
def show() -> Response:
    """The banner alone; nothing if it is still as it was: then nobody is told twice."""
    found = silences(pulse.take())
    if request.args.get("seen") == ",".join(one.name for one in found):
        return Response(status=204)
    return make_response(render_template("pulse/_banner.html", silences=lambda: found))
