"""Taking a server in: its key pair, the command that prepares it, and whose key it shows."""

from uuid import uuid4

from flask import current_app
from sqlalchemy.orm import Session

from cloudpilot.domain import servers
from cloudpilot.domain.servers import Server
from cloudpilot.engine import script, ssh
from cloudpilot.errors import InvalidState
from cloudpilot.secrets import Sealer


def enrol(
    session: Session, *, name: str, host: str, port: int, username: str, backup_root: str
) -> Server:
    """A new server with an ed25519 key pair of its own; the private key is sealed at once."""
    server_id = uuid4()
    private_key, public_key = ssh.new_key(f"cloudpilot-{server_id}")
    sealer: Sealer = current_app.extensions["sealer"]
    server = Server(
        id=server_id,
        name=name,
        host=host,
        port=port,
        username=username,
        backup_root=backup_root,
        public_key=public_key,
        private_key=sealer.seal(private_key, servers.key_place(server_id)),
    )
    session.add(server)
    session.flush()
    return server


def setup_command(server: Server) -> str:
    """The one command to paste on the server as root; of nothing that anybody has typed."""
    return script.setup_command(server.id, server.public_key)


def approve_pasted(session: Session, server: Server, text: str) -> None:
    """Pin the host keys that the set-up command printed; raises InvalidConfig."""
    session.add(server)
    server.approve(*script.parse_host_keys(text))


def approve_offered(session: Session, server: Server, fingerprint: str) -> None:
    """Pin the key that the server showed; raises InvalidState if it shows another one by now."""
    session.add(server)
    if not fingerprint or server.offered_host_key != fingerprint:
        raise InvalidState("The server shows another key by now: compare again.")
    server.approve(fingerprint)
