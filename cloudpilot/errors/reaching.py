"""A server cannot be reached, or is not who it should be."""

from cloudpilot.errors.base import CloudPilotError


class SshNotConfigured(CloudPilotError):
    code = "SSH_NOT_CONFIGURED"
    remedy = "Run the set-up command on the server, then approve its host key on the server's page."
    http_status = 409


class AddressRefused(CloudPilotError):
    code = "ADDRESS_REFUSED"
    remedy = "Give the address that the server has on its network. Link-local and metadata addresses are never connected to, private ones only if CLOUDPILOT_PRIVATE_NETWORKS allows it."
    http_status = 422


class SshUnreachable(CloudPilotError):
    code = "SSH_UNREACHABLE"
    remedy = "Check that the server is up, that host and port are right, and that its firewall lets the panel in."
    transient = True
    http_status = 502


class SshAuthFailed(CloudPilotError):
    code = "SSH_AUTH_FAILED"
    remedy = "Run the set-up command from the server's page again: it puts the key in place."
    http_status = 502
    refused = False  # whether, by its approved host key, the server said no to this very key


class KeyNotTaken(CloudPilotError):
    code = "KEY_NOT_TAKEN"
    remedy = "This server's sshd does not read ~/.ssh/authorized_keys: see `sshd -T | grep -i authorizedkeys`. The former key stays in use."
    http_status = 502


class KeyStillAccepted(CloudPilotError):
    code = "KEY_STILL_ACCEPTED"
    remedy = "Look for the panel's key where this server's sshd reads keys, `sshd -T | grep -i authorizedkeys`, and remove its line."
    http_status = 502


class RemovalUnproven(CloudPilotError):
    code = "REMOVAL_UNPROVEN"
    remedy = "Run the removing command on the server as root and paste its last line: it says what is gone. If the server is no more, forget it."


class HostKeyUnknown(CloudPilotError):
    """`offered` is the fingerprint that the server showed, `SHA256:…`."""

    code = "HOST_KEY_UNKNOWN"
    remedy = "Compare the fingerprint with what the set-up command printed, then approve it on the server's page."
    http_status = 409

    def __init__(self, message: str, offered: str = "") -> None:
        super().__init__(message)
        self.offered = offered


class HostKeyChanged(HostKeyUnknown):
    code = "HOST_KEY_CHANGED"
    remedy = "Compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the server's own console. If it matches, approve the new key on the server's page; if not, do not connect."
    http_status = 502
