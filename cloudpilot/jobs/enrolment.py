"""Taking a server in: its key pair, the command that prepares it, and whose key it shows."""

from uuid import uuid4

from flask import current_app
from sqlalchemy.orm import Session

from cloudpilot.domain import servers
from cloudpilot.domain.servers import Server
from cloudpilot.engine import keypair, pasted
from cloudpilot.errors import InvalidConfig, InvalidState
from cloudpilot.kinds import Privilege
from cloudpilot.secrets import Sealer


def enrol(
    session: Session,
    *,
    name: str,
    host: str,
    port: int,
    username: str,
    backup_root: str,
    privilege: Privilege = Privilege.PLAIN,
    **also: int,
) -> Server:
    """A new server with an ed25519 key pair of its own; the private key is sealed at once.

    also  further columns
    """
    server_id = uuid4()
    private_key, public_key = keypair.new_key(servers.key_comment(server_id))
    sealer: Sealer = current_app.extensions["sealer"]
    server = Server(
        id=server_id,
        name=name,
        host=host,
        port=port,
        username=username,
        backup_root=backup_root,
        privilege=privilege,
        **also,
        public_key=public_key,
        private_key=sealer.seal(private_key, servers.key_place(server_id)),
    )
    session.add(server)
    session.flush()
    return server


def setup_command(server: Server, privilege: Privilege | None = None) -> str:
    """The one command to paste on the server as root; of nothing that anybody has typed.

    privilege  another one than the server has now
    """
    return pasted.setup_command(
        server.id,
        server.public_key,
        privilege=privilege or server.privilege,
        username=server.username,
    )


def approve_pasted(session: Session, server: Server, text: str) -> None:
    """Pin the host keys that the set-up command printed, and take over what it has given us.

    Raises InvalidConfig, also for the line of another server.
    """
    said = pasted.parse_ready(text)
    if said.server_id != server.id:
        raise InvalidConfig(
            f"This line is of another server of this panel, or of another panel: it was made by"
            f" another command than the one that is shown here for {server.name}."
        )
    session.add(server)
    server.privilege = said.privilege
    server.approve(*said.host_keys)


def approve_offered(session: Session, server: Server, fingerprint: str) -> None:
    """Pin the key that the server showed; raises InvalidState if it shows another one by now."""
    session.add(server)
    if not fingerprint or server.offered_host_key != fingerprint:
        raise InvalidState("The server shows another key by now: compare again.")
    server.approve(fingerprint)


def expect(session: Session, server: Server, text: str) -> None:
    """From now on these keys are accepted, too; seen once, they replace the approved ones.

    Raises InvalidConfig, InvalidState if no key was approved yet.
    """
    if not server.is_ready:
        raise InvalidState("Approve its present host key first.")
    keys = pasted.parse_fingerprints(text, server.id)
    if set(keys) <= set(server.host_keys):
        raise InvalidConfig("These are the keys that it has now. Paste those that it will get.")
    session.add(server)
    server.expected_host_keys = list(keys)
