"""A real Redis that speaks TLS alone, with a certificate that no authority has signed."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import RedisError

from cloudpilot.embedded import redis_command
from cloudpilot.redis_server import fingerprint
from tests.support.ports import free_port
from tests.support.until import until

PASSWORD = "a-password-of-redis"


@dataclass
class TlsRedis:
    """Where it is, and what it shows."""

    url: str
    certificate: x509.Certificate
    log: Path

    @property
    def pem(self) -> str:
        """As CLOUDPILOT_REDIS_CERTIFICATE takes it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """The same, shorter."""
        return fingerprint(self.certificate.public_bytes(serialization.Encoding.DER))


@contextmanager
def running(home: Path) -> Iterator[TlsRedis]:
    """Yields it once it answers; it wants a password, which must reach nobody else."""
    certificate = _self_signed(home)
    port = free_port()
    files = {"cert": "cert.pem", "key": "key.pem", "ca-cert": "cert.pem"}
    tls = [word for name, file in files.items() for word in (f"--tls-{name}-file", home / file)]
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--requirepass", PASSWORD]
    process = subprocess.Popen([*redis_command(home), *options, *tls])
    try:
        until(lambda: _answers(home), bool, seconds=10)
        url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"
        yield TlsRedis(url, certificate, home / "redis.log")
    finally:
        process.terminate()
        process.wait(10)


def _answers(home: Path) -> bool:
    try:
        with Redis(unix_socket_path=str(home / "redis.sock"), password=PASSWORD) as connection:
            return bool(connection.ping())
    except RedisError:
        return False


def _self_signed(home: Path) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, plain)
    (home / "key.pem").write_bytes(private)
    return made
