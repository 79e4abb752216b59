"""Taking the panel off a server: the removing script, if it is ours to run, and then the proof.

The proof is the server's own: by its approved host key it refuses our key. One that cannot be
reached proves nothing. The script takes the key last: who has sent it and is refused afterwards
has removed the rest before, also if the script's own word of it was lost on the way.
"""

from collections.abc import Mapping
from uuid import UUID

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, removals, restores, runs, uninstalls
from cloudpilot.domain.audit import Action, Actor
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.engine import connecting, pasted
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import (
    CommandFailed,
    InvalidConfig,
    KeyStillAccepted,
    PrivilegeMissing,
    RemovalUnproven,
    RunStopped,
    SshAuthFailed,
)
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import Login, login, opened
from cloudpilot.reports import Report
from cloudpilot.text import decode

UNINSTALL_SECONDS = 30
SAID = "said"  # among the run's options: what is gone, as the script has said it
WORD_LOST = {"key": True}  # said by the refusal alone


def command(server: Server, *, keep: bool, roots: tuple[str, ...]) -> str:
    """The one command to paste on the server as root."""
    return pasted.uninstall_command(server.id, username=server.username, keep=keep, roots=roots)


def said_in(server: Server, text: str) -> Mapping[str, bool]:
    """What the command's last line says to be gone; raises InvalidConfig."""
    return pasted.parse_removed(text, server.id).gone


def perform(run: Run) -> None:
    """Remove, prove, forget: each may be done twice."""
    if SAID not in run.options:
        _remove(run)
    _prove(run.at)
    lifecycle.begin(run)
    row = _forget(run)
    words = f"{row.subject} refuses the panel's key, by its approved host key: proven."
    lifecycle.complete(run, Report(stage="uninstall", log=_in_words(row, words), over=True))


def _remove(run: Run) -> None:
    """Have it removed, and keep what the script says of it."""
    who = login(run.at)
    try:
        session = opened(who)
    except SshAuthFailed as error:
        if not error.refused:
            raise
        said = _after_a_refusal(run, who, error)
    else:
        with session:
            lifecycle.begin(run)
            _mark_sent(run)
            said = _said_or_refused(run, who, session)
    with transaction() as database:
        row = runs.find(database, run.id)
        row.options = row.options | {SAID: said}


def _mark_sent(run: Run) -> None:
    """From now on the key may be gone."""
    with transaction() as database:
        wanted = runs.mark_sent(database, run)
    if not wanted and run.sent_at is None:
        raise RunStopped("Stopped before anything was removed.")


def _after_a_refusal(run: Run, who: Login, error: SshAuthFailed) -> dict[str, bool]:
    """A key that is refused before we have asked for anything says nothing of the rest."""
    if run.sent_at is None:
        raise RemovalUnproven(
            f"{who.address.host} refuses the panel's key already, so the panel cannot look whether"
            " what came with it was removed."
        ) from error
    return dict(WORD_LOST)


def _said_or_refused(run: Run, who: Login, session: Session) -> dict[str, bool]:
    """A script that was killed over its last steps has taken the key."""
    try:
        return _run_script(run, session)
    except PrivilegeMissing as error:
        raise RemovalUnproven(f"{error} The panel cannot take itself off this server.") from error
    except (CommandFailed, InvalidConfig):  # it failed, or its last line is not whole
        if not connecting.refuses(who.address, who.private_key):
            raise
    return dict(WORD_LOST)


def _run_script(run: Run, session: Session) -> dict[str, bool]:
    with reading() as database:
        server = database.get_one(Server, run.at)
        roots = uninstalls.belongings(database, server).roots
    program = pasted.uninstall(
        server.id, username=server.username, keep=run.options["keep"], roots=roots
    )
    answer = decode(session.run(program, timeout=UNINSTALL_SECONDS))
    return dict(pasted.parse_removed(answer, server.id).gone)


def _prove(server_id: UUID) -> None:
    who = login(server_id)
    for key in (who.private_key, who.next_key):
        if key and not connecting.refuses(who.address, key):
            raise KeyStillAccepted(
                f"{who.address.host} still lets the panel in as {who.address.username}."
            )


def _forget(run: Run) -> Run:
    """The server leaves the panel, once."""
    with transaction() as session:
        row = runs.find(session, run.id)
        server = session.get_one(Server, run.at)
        if server.removed_at is None:
            kept = [str(one.id) for one in restores.kept_on(session, server)]
            removals.forget(session, server)
            by = session.get(Person, run.requested_by) if run.requested_by else None
            details = dict(row.options) | ({"kept_for_undo": kept} if kept else {})
            address = details.pop("address", "")
            who = Actor(by.email, by.id, address) if by else audit.PANEL
            proof = f"{server.host}:{server.port} refused the key, shown {server.host_keys}"
            audit.record(session, who, Action.UNINSTALLED, server, proof=proof, **details)
    return row


def _in_words(run: Run, proof: str) -> str:
    """What the script has said, and the proof, one a line."""
    said = run.options.get(SAID, {})
    kept = [thing for thing, gone in said.items() if not gone]
    stays = f"Stays there: {', '.join(kept)}." if kept else ""
    unsaid = "What else is gone was not heard; the key goes last." if said == WORD_LOST else ""
    return "\n".join(line for line in (proof, stays, unsaid) if line)
