"""How a database can be restored, by what was found where it is to go; in words for a person."""

from cloudpilot.engine.doctor.tools import dotted
from cloudpilot.engine.findings import of_database
from cloudpilot.engine.inspected import shown
from cloudpilot.engine.restore_look import BESIDE, Facts, Needs
from cloudpilot.engine.restored_databases import Method
from cloudpilot.kinds import Engine

# From these versions on pg_restore writes scripts that can give psql no commands (\restrict).
_RESTRICTS = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}


def method_for(found: Facts) -> tuple[Method | None, str]:
    """How the database can be restored, and why so; None: it cannot, until that is changed.

    In place only PostgreSQL is restored: its one transaction is rolled back whenever it fails.
    """
    if found.refused:
        return None, found.refused
    if found.exists is None:
        return None, "The database server did not say what is there."
    if found.missing_extensions:
        return None, f"The server lacks extensions: {', '.join(found.missing_extensions)}."
    if found.in_the_way:
        return None, " ".join(found.in_the_way)
    if found.engine is Engine.POSTGRESQL:
        return _postgresql(found)
    return _mysql(found)


def _postgresql(found: Facts) -> tuple[Method | None, str]:
    if found.may_create and (found.owner or not found.exists) and not found.held:
        return Method.SWAP, _beside(found)
    if not found.exists:
        return None, "It is not there and this user may not create databases (CREATEDB)."
    if not found.owner:
        return None, "This user does not own it, and is not in the role that does."
    if found.may_create:
        because = "somebody is in it whose session this user may not end"
    else:
        because = "this user may not create databases (CREATEDB)"
    if not _restricts(found.client):
        return None, (
            f"It cannot be made beside what is there, since {because}; and pg_restore"
            f" {found.client or '(of an unknown version)'} is too old to restore it in place."
        )
    return Method.IN_PLACE, (
        f"It is replaced in place, inside of one transaction, since {because}. Who uses it waits,"
        " or sees the old or the new, never a mixture. Afterwards there is no Undo: the way back is"
        " the safe-mode backup, which can be restored as this one is. What the backup does not know"
        " stays; if that hangs on what is replaced, the transaction fails and nothing has happened."
    )


def _restricts(client: str) -> bool:
    """Whether this pg_restore can write for psql what is safe to run.

    >>> _restricts("15.18"), _restricts("15.13"), _restricts("18.0"), _restricts("12.22")
    (True, False, True, False)
    """
    major, minor = (*dotted(client), 0, 0)[:2]
    return major > max(_RESTRICTS) or minor >= _RESTRICTS.get(major, minor + 1)


def _mysql(found: Facts) -> tuple[Method | None, str]:
    if not found.rights:
        return Method.SWAP, _beside(found)
    lacking = ", ".join(found.rights)
    if found.over or not found.exists:
        return None, f"This user lacks {lacking}."
    return None, (
        f"This user lacks {lacking} on databases called {BESIDE}…, so it cannot be made beside"
        f" what is there. Over that {found.engine.brand} would go statement by statement, and"
        " nothing rolls that back: it is not done. With GRANT ALL ON `cp\\_%`.* it could be made"
        " beside."
    )


def _beside(found: Facts) -> str:
    if not found.exists:
        return "It is not there yet: it is made beside and gets its name when it is whole."
    ended = "its sessions are ended" if found.engine is Engine.POSTGRESQL else "for a moment"
    return (
        "It is made beside, compared, and takes the place of the old one"
        f" ({ended}); the old one is kept for an undo."
    )


def remarks(found: Facts, needs: Needs) -> list[str]:
    """Sentences about what does not match, and what is not known; nothing forbids the restore."""
    said = []
    server, dumped = dotted(found.version)[:2], dotted(needs.version)[:2]
    if server and dumped and server < dumped:
        said.append(
            f"The backup is of a newer server ({shown(needs.version)}) than this ({found.version}):"
            " it may not be taken."
        )
    client, tool = dotted(found.client)[:1], dotted(of_database(needs.tool))[:1]
    if client and tool and client < tool:
        said.append(f"The client here, {found.client}, is older than the one that made the dump.")
    if found.missing_roles:
        names = ", ".join(found.missing_roles)
        said.append(f"These roles are not there: {names}. Make them, or name one that owns all.")
    if found.missing_definers:
        names = ", ".join(found.missing_definers)
        said.append(f"Programs work with the rights of users that are not there: {names}.")
    if found.sessions:
        said.append(f"There are {found.sessions} sessions in it now.")
    if found.free is None:
        said.append("How much room its server has is not known.")
    return said
