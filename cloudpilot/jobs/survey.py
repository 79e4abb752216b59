"""Looking at what a restore would find; it changes nothing on the server."""

from cloudpilot.db import reading, transaction
from cloudpilot.domain import restore_plans, restore_sources, restores
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.engine import survey
from cloudpilot.engine.survey import Question
from cloudpilot.jobs import lifecycle, restored
from cloudpilot.jobs.on_server import connected
from cloudpilot.kinds import Compression
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """Ask the server, and keep what it has said with the restore."""
    with reading() as session:
        restore = restores.of_run(session, run)
        server = session.get_one(Server, restore.server_id)
        read = restore_sources.archives(session, restore)
        where = restored.targets(session, restore)
        backup = read[-1][0]
        session.refresh(backup, ["census"])
    tree = backup.is_tree and restore.vault_id is None
    question = Question(
        paths=restore.paths,
        into=restore.into,
        backup_root=restore.root,
        privilege=server.privilege,
        zstd=not tree and any(one.compression is Compression.ZSTD for one, _ in read),
        rsync=tree,
        curl=restore.vault_id is not None,
    )
    with connected(run.at) as ssh:
        lifecycle.begin(run)
        found = survey.ask(ssh, question)
        found["databases"] = restored.looked_at(ssh, where, backup)
    with transaction() as session:
        restore_plans.surveyed(session, restores.of_run(session, run), found)
    words = f"Looked at {len(found['paths'])} path(s) and {len(where)} database(s)."
    lifecycle.complete(run, Report(stage="survey", log=words, over=True))
