"""Key pairs: one for each server, made here and nowhere else."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloudpilot.secrets import Secret


def new_key(comment: str) -> tuple[Secret, str]:
    """A fresh ed25519 key pair: the private key as OpenSSH writes it, and the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return Secret(private.decode()), f"{public.decode()} {comment}"
