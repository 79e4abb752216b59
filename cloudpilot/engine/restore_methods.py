"""How a database can be restored, by what was found where it is to go; in words for a person."""

from cloudpilot.engine.doctor.tools import dotted
from cloudpilot.engine.findings import of_database
from cloudpilot.engine.inspected import shown
from cloudpilot.engine.restore_look import BESIDE, Facts, Needs
from cloudpilot.engine.restored_databases import Method
from cloudpilot.kinds import Engine


def method_for(found: Facts) -> tuple[Method | None, str]:
    """How the database can be restored, and why so; None: it cannot, until that is changed."""
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
    if found.held:
        because = "somebody is in it whose session this user may not end"
    else:
        because = "this user may not create databases, or does not own this one"
    if not found.exists:
        return None, f"It is not there and {because}: ALTER ROLE … CREATEDB."
    return Method.IN_PLACE, (
        f"In one transaction over what is there, since {because}: all of it or nothing,"
        " and what the backup does not know stays. The way back is the backup that is made before."
    )


def _mysql(found: Facts) -> tuple[Method | None, str]:
    if not found.rights:
        return Method.SWAP, _beside(found)
    lacking = ", ".join(found.rights)
    if found.over or not found.exists:
        return None, f"This user lacks {lacking}."
    return Method.IN_PLACE, (
        f"Over what is there, since this user lacks {lacking} on databases called"
        f" {BESIDE}…: nothing rolls that back, and what the backup does not know stays."
        " The way back is the backup that is made before."
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
