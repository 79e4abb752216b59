"""A new SSH key: put beside the old one, proven, made the key; then the old one is taken away.

Killed at any point it is begun again and ends right: what `next_*` holds besides the key, whether
it was to come or is to go, is taken away first, and the key that is in use has always been proven.
"""

from dataclasses import dataclass
from uuid import UUID

from flask import current_app

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, keys, runs, servers
from cloudpilot.domain.audit import Action, Actor
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.engine import connecting, keypair
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import InvalidState, KeyNotTaken, KeyStillAccepted
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import Login, login, opened
from cloudpilot.reports import Report
from cloudpilot.secrets import Sealer

CHANGED = "changed"  # among the run's options: the new key is the key
DONE = "The new key is in use; the server refuses the former one."


@dataclass(frozen=True, slots=True)
class Lines:
    """The two keys of a server as authorized_keys has them."""

    key: str
    other: str | None  # is to come, or to go


def perform(run: Run) -> None:
    """Whatever state the last attempt has left, go on from there."""
    _settle_which_is_the_key(run)
    with opened(login(run.at)) as session:
        lifecycle.begin(run)
        _take_away_the_other(run.at, session)
        if not lifecycle.current(run.id).options.get(CHANGED):
            _change(run, _let_in(run.at, session))
            _take_away_the_other(run.at, session)
    lifecycle.complete(run, Report(stage="rotate", log=DONE, over=True))


def _settle_which_is_the_key(run: Run) -> None:
    """If the key is refused and the other one is not, somebody has put things back by hand: then
    that is the key again, and this run has not changed it yet."""
    who = login(run.at)
    if who.next_key is None or not connecting.refuses(who.address, who.private_key):
        return
    if not connecting.refuses(who.address, who.next_key):
        with transaction() as session:
            server = session.get_one(Server, run.at, with_for_update=True)
            keys.swap(server, _sealer())
            runs.find(session, run.id).options = {
                name: value for name, value in run.options.items() if name != CHANGED
            }
            audit.record(
                session, audit.PANEL, Action.KEY_CHANGED, server, public_key=server.public_key
            )


def _take_away_the_other(server_id: UUID, session: Session) -> None:
    other, who = _lines(server_id).other, login(server_id)
    if other is None or who.next_key is None:
        return
    session.run(Program("rekey", ("drop", other)))
    if not connecting.refuses(who.address, who.next_key):
        raise KeyStillAccepted(
            f"{who.address.host} still accepts a key that was taken out of"
            f" ~{who.address.username}/.ssh/authorized_keys."
        )
    with transaction() as database:
        keys.forget_next(database.get_one(Server, server_id), other)


def _let_in(server_id: UUID, session: Session) -> str:
    """A new pair: kept first, so that whoever goes on from here knows it; then let in; tried.

    Returns the public key that is proven.
    """
    private_key, public_key = keypair.new_key(servers.key_comment(server_id))
    with transaction() as database:
        keys.keep_next(database.get_one(Server, server_id), _sealer(), private_key, public_key)
    session.run(Program("rekey", ("add", _lines(server_id).key, public_key)))
    who = login(server_id)
    if connecting.refuses(who.address, private_key):
        _give_up(who, public_key, session)
    return public_key


def _give_up(who: Login, public_key: str, session: Session) -> None:
    session.run(Program("rekey", ("drop", public_key)))
    with transaction() as database:
        keys.forget_next(database.get_one(Server, who.server_id), public_key)
    raise KeyNotTaken(
        f"{who.address.host} refuses the new key although it is in"
        f" ~{who.address.username}/.ssh/authorized_keys. The former key stays."
    )


def _change(run: Run, proven: str) -> None:
    """In one transaction: the key, what is on record of it, and that this run has done it.

    Another job may be at the same run, if this one was put to sleep for longer than its lease:
    only the key that was proven becomes the key, and only once.
    """
    with transaction() as session:
        server = session.get_one(Server, run.at, with_for_update=True)
        row = runs.find(session, run.id)
        done = row.status.is_final or row.options.get(CHANGED)
        if done or server.next_public_key != proven:
            raise InvalidState("Another attempt at it was faster.")
        keys.swap(server, _sealer())
        server.key_made_at = clock.now()
        row.options = row.options | {CHANGED: True}
        by = session.get(Person, run.requested_by) if run.requested_by else None
        who = Actor(by.email, by.id, row.options.get("address", "")) if by else audit.PANEL
        audit.record(session, who, Action.KEY_CHANGED, server, public_key=server.public_key)


def _lines(server_id: UUID) -> Lines:
    with reading() as session:
        server = session.get_one(Server, server_id)
        return Lines(server.public_key, server.next_public_key)


def _sealer() -> Sealer:
    sealer: Sealer = current_app.extensions["sealer"]
    return sealer
