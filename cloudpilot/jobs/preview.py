"""Counting what a site's exclude patterns leave out; it changes nothing on the server."""

from uuid import UUID

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import previews, sites
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.engine import preview
from cloudpilot.engine.preview import Question
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """Ask the server, and keep what it counted with the paths and patterns that it was for."""
    site_id = UUID(run.options["site"])
    with reading() as session:
        site = sites.find(session, site_id)
        server = session.get_one(Server, site.server_id)
    question = Question(
        paths=site.paths,
        patterns=site.excludes,
        backup_root=server.backup_root,
        privilege=server.privilege,
    )
    with connected(run.at) as ssh:
        lifecycle.begin(run)
        counted = preview.ask(ssh, question)
    with transaction() as session:
        row = session.get_one(Site, site_id)
        row.preview = previews.stamped(counted, site)
        row.previewed_at = clock.now()
    kept = counted["kept"]["entries"]
    words = f"{kept:,} files and folders are backed up, {counted['out']['entries']:,} left out."
    if counted["locked"]:
        words += f" {counted['locked']:,} cannot be read."
    lifecycle.complete(run, Report(stage="preview", log=words, over=True))
