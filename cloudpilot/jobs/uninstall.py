"""Taking the panel off a server: the removing script, if it is ours to run, and then the proof.

The proof is the server's own: by its approved host key it refuses our key. One that cannot be
reached proves nothing.
"""

from collections.abc import Mapping
from uuid import UUID

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, removals, runs, uninstalls
from cloudpilot.domain.audit import Action, Actor
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.engine import pasted, ssh
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import KeyStillAccepted, SshAuthFailed
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import login, opened
from cloudpilot.reports import Report
from cloudpilot.text import decode

UNINSTALL_SECONDS = 30
SAID = "said"  # among the run's options: what is gone, as the script has said it


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
    _prove(run.server_id)
    lifecycle.begin(run)
    row = _forget(run)
    words = f"{row.subject} refuses the panel's key, by its approved host key: proven."
    lifecycle.complete(run, Report(stage="uninstall", log=_in_words(row, words), over=True))


def _remove(run: Run) -> None:
    who = login(run.server_id)
    try:
        session = opened(who)
    except SshAuthFailed as error:
        if not error.refused:
            raise
        raise SshAuthFailed(
            f"{who.address.host} refuses the panel's key, so the panel cannot look whether anything"
            " was removed: run the command there and paste its last line."
        ) from error
    with session:
        lifecycle.begin(run)
        said = _run_script(run, session)
    with transaction() as database:
        row = runs.find(database, run.id)
        row.options = row.options | {SAID: said}


def _run_script(run: Run, session: Session) -> dict[str, bool]:
    with reading() as database:
        server = database.get_one(Server, run.server_id)
        roots = uninstalls.belongings(database, server).roots
    program = pasted.uninstall(
        server.id, username=server.username, keep=run.options["keep"], roots=roots
    )
    answer = decode(session.run(program, timeout=UNINSTALL_SECONDS))
    return dict(pasted.parse_removed(answer, server.id).gone)


def _prove(server_id: UUID) -> None:
    who = login(server_id)
    for key in (who.private_key, who.next_key):
        if key and not ssh.refuses(who.address, key):
            raise KeyStillAccepted(
                f"{who.address.host} still lets the panel in as {who.address.username}."
            )


def _forget(run: Run) -> Run:
    """The server leaves the panel, once."""
    with transaction() as session:
        row = runs.find(session, run.id)
        server = session.get_one(Server, run.server_id)
        if server.removed_at is None:
            removals.forget(session, server)
            by = session.get(Person, run.requested_by) if run.requested_by else None
            details = dict(row.options)
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
    return "\n".join(line for line in (proof, stays) if line)
