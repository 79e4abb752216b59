"""The status address: for any monitor, whether all is well."""

from flask import Blueprint, Response, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import status_address, wellness
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.jobs import pulse
from cloudpilot.web.access import me, needs, note, public

bp = Blueprint("status", __name__, url_prefix="/status")


@bp.get("")
@needs(Right.SERVERS)
def show() -> str:
    """Whether there is an address."""
    with reading() as session:
        address = status_address.current(session)
    return render_template("status/show.html", address=address, token=None)


@bp.post("/make")
@needs(Right.SERVERS)
def make() -> str:
    """A new address, shown once."""
    with transaction() as session:
        address, token = status_address.make(session, me())
        note(session, Action.STATUS_ADDRESS_MADE)
    return render_template("status/show.html", address=address, token=token.reveal())


@bp.post("/end")
@needs(Right.SERVERS)
def end() -> BaseResponse:
    """From now on there is none."""
    with transaction() as session:
        status_address.end(session)
        note(session, Action.STATUS_ADDRESS_ENDED)
    return redirect(url_for(".show"), 303)


@bp.get("/<token>")
@public
def answer(token: str) -> Response:
    """200 if clock and workers run, nothing is late and nothing failed last; else 503. No names."""
    with reading() as session:
        is_known = status_address.is_good(session, token)
        is_well = is_known and wellness.is_well(session)
    if not is_known:
        return Response("not found\n", 404, mimetype="text/plain")
    good = is_well and pulse.is_well(pulse.MONITOR_SECONDS)
    return Response("ok\n" if good else "attention\n", 200 if good else 503, mimetype="text/plain")
