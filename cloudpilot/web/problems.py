"""What is shown when something cannot be done: code, what happened, what to do about it."""

from dataclasses import dataclass

from flask import Flask, Response, current_app, g, make_response, render_template
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from cloudpilot.errors import (
    CloudPilotError,
    DatabaseAway,
    DownloadsBusy,
    FormExpired,
    NotFound,
    TooManyAttempts,
    Unexpected,
)
from cloudpilot.web import limits
from cloudpilot.web.filters import duration
from cloudpilot.web.htmx import is_htmx, to_problem


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, ready to be shown."""

    code: str
    what: str
    remedy: str
    status: int = 500
    wait: int | None = None  # seconds until it may be tried again

    @classmethod
    def of(cls, error: CloudPilotError) -> "Problem":
        """A failure of ours."""
        if isinstance(error, TooManyAttempts) and error.seconds:
            remedy = f"Wait {duration(error.seconds)}, then try again."
            return cls(error.code, str(error), remedy, error.http_status, error.seconds)
        wait = error.seconds if isinstance(error, DownloadsBusy) else None
        return cls(error.code, str(error), error.remedy, error.http_status, wait)


_BY_STATUS = {
    404: Problem.of(NotFound("There is no page at this address.")),
    405: Problem(
        "METHOD_NOT_ALLOWED",
        "This address cannot be opened like that.",
        "Go back to the page you came from and use its button.",
        405,
    ),
    413: Problem(
        "TOO_LARGE",
        "What was sent is larger than 1 MB.",
        "Shorten what you typed and send it again.",
        413,
    ),
}


def register(app: Flask) -> None:
    """Have every failure of `app` explained."""
    app.register_error_handler(CloudPilotError, lambda error: explain(Problem.of(error)))
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(HTTPException, lambda error: explain(_of_http(error)))


def _database_away(error: OperationalError) -> Response:
    """It cannot be reached, or has let go of us; the log has its words."""
    current_app.logger.error("the database: %s", error)
    return explain(Problem.of(DatabaseAway("The panel's database does not answer.")))


def explain(problem: Problem) -> Response:
    """Into #problem for htmx, as a page of its own otherwise."""
    answer = _fragment(problem) if is_htmx() else _page(problem)
    if problem.wait is not None:
        answer.headers["Retry-After"] = str(problem.wait)
    return answer


def _fragment(problem: Problem) -> Response:
    fragment = render_template("_problem.html", problem=problem)
    return to_problem(make_response(fragment, problem.status))


def _page(problem: Problem) -> Response:
    """Without a visitor there is no menu to show; after a crash we do not even ask who it is."""
    base = "base.html" if g.get("me") and problem.status < 500 else "bare.html"
    return make_response(
        render_template("problem.html", problem=problem, base=base), problem.status
    )


def _of_http(error: HTTPException) -> Problem:
    if isinstance(error, CSRFError):
        return Problem.of(FormExpired("This form is too old, or its session has ended."))
    if error.code is None or error.code >= 500:
        return Problem.of(Unexpected("Something went wrong inside the panel; its log says what."))
    if error.code == TooManyAttempts.http_status:
        return _too_many_attempts()
    unclear = "The panel could not make sense of this request."
    other = Problem("BAD_REQUEST", unclear, "Go back, reload the page and try again.", error.code)
    return _BY_STATUS.get(error.code, other)


def _too_many_attempts() -> Problem:
    what = "Too many attempts from here or for this account."
    return Problem.of(TooManyAttempts(what, limits.seconds_to_wait()))
