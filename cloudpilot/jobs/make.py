"""Making a backup: what the server is told, and where it works."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session as OrmSession

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, chains, copies, ratios, trees
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault
from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.script import Chain, Contents, Tree
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import RunLost
from cloudpilot.jobs import dumps
from cloudpilot.jobs.payload import Payload
from cloudpilot.reports import Report
from cloudpilot.vaults import plans


def roots(session: OrmSession, work: Sequence[Run]) -> Mapping[UUID, str]:
    """By run: in which directory of its server its backup is."""
    found = copies.roots_on_servers(session, {run.backup_id for run in work if run.backup_id})
    return {run.id: found[run.backup_id] for run in work if run.backup_id in found}


def place(run: Run, root: str) -> Place:
    """The folder of the backup."""
    return Place(root, str(run.backup_id), str(run.id))


def payload(run: Run) -> Payload:
    """The script, with everything that it is made from."""
    contents = _contents(run, _chain(run), _tree(run))
    return Payload(script.backup(contents), contents.secrets())


def undo(ssh: Session, where: Place) -> None:
    """Nothing of the backup may be left."""
    detached.remove(ssh, where.root, where.backup_id)


def heard(ssh: Session, run: Run, where: Place, report: Report) -> Report:
    """All that it has to say is in the report."""
    return report


def _chain(run: Run) -> Chain | None:
    """The backup's place in its chain, if its schedule makes increments."""
    with transaction() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
        if backup is None or not chains.is_wanted(session, backup):
            return None
        base = chains.join(session, backup)
        key = str(backup.schedule_id)
        if base is None:
            return Chain(key)
        return Chain(key, str(base.id), base.state_sha256 or "", backup.level)


def _tree(run: Run) -> Tree | None:
    """What the tree is called and what it links to, if it is to be one."""
    with transaction() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
        if backup is None or backup.server_copy is None or not backup.is_tree:
            return None
        base = trees.base_of(session, backup)
        backup.base_id = base.id if base else None
        name, compare = backup.server_copy.name, trees.must_compare(session, backup)
        if base is None or base.server_copy is None:
            return Tree(name)
        return Tree(name, str(base.id), base.server_copy.name, base.sha256 or "", compare)


def _contents(run: Run, chain: Chain | None, tree: Tree | None) -> Contents:
    """What the backup is made from, as its row and those of its databases say."""
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
        if backup is None or backup.server_copy is None:
            raise RunLost("The backup is gone.")
        is_full = chain is None or chain.level == 0
        ratio = ratios.expected(session, backup, full=is_full)
        return Contents(
            paths=tuple(backup.paths),
            excludes=tuple(backup.excludes),
            compression=backup.compression,
            archive=backup.archive,
            backup_root=backup.server_copy.root or "",
            plan=backup.plan(),
            expected_ratio=ratio.percent,
            packs_as_before=ratio.known,
            privilege=session.get_one(Server, backup.server_id).privilege,
            dumps=dumps.of(session, backup),
            streamed=backup.streamed,
            upload_id=str(backup.id),
            tiers=_tiers(session, backup),
            chain=chain,
            tree=tree,
        )


def _tiers(session: OrmSession, backup: Backup) -> tuple[tuple[int, int], ...]:
    """How the upload will cut what is streamed to it; see signing.begun."""
    vault = session.get(Vault, backup.vault_id) if backup.streamed else None
    return plans.plan(None, equal_parts=vault.equal_parts, streamed=True).tiers if vault else ()
