"""The cookie of somebody who has signed in to a panel whose web is a process of its own."""

from uuid import UUID

from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import sessions
from cloudpilot.domain.people import Person
from cloudpilot.web import security

NAME = "cloudpilot"  # over http


def cookie(core: Flask, person_id: UUID) -> str:
    """As the panel itself would have signed it."""
    with transaction() as session:
        token = sessions.begin(session, session.get_one(Person, person_id), "::1", "a browser")
    signer = Flask("signer")
    security.register(signer, core.extensions["settings"])
    serializer = signer.session_interface.get_signing_serializer(signer)  # type: ignore[attr-defined]
    return str(serializer.dumps({"_user_id": token.reveal(), "_permanent": True}))
