"""The command by which a person takes files out of an archive in a vault, without the panel."""

from shlex import quote

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.downloads.members import SIGNED_SECONDS
from cloudpilot.downloads.wanted import Wanted
from cloudpilot.errors import InvalidState
from cloudpilot.jobs import opening, stored
from cloudpilot.kinds import Compression
from cloudpilot.secrets import Secret

CUTS_AT_MOST = 20


def of(backup: Backup, copy: Copy, wanted: Wanted) -> Secret:
    """It unpacks them into the folder that it is started in. Whoever has it can read the whole
    archive, for SIGNED_SECONDS."""
    if copy.vault_id is None:
        raise InvalidState("This copy is in no vault.")
    row = stored.archive_of(copy)
    address = opening.vault(copy.vault_id).sign_read(
        row.key, seconds=SIGNED_SECONDS, filename=copy.name, version=row.version
    )
    return Secret(text(address.reveal(), backup.compression, wanted))


def text(address: str, compression: Compression, wanted: Wanted) -> str:
    """For bash, with the tools of every Linux."""
    unpack = "zstd -dc" if compression is Compression.ZSTD else "gzip -dc"
    cuts = "".join(
        f'curl -fsS -r {cut.first}-{cut.last} "$address" | {unpack}'
        f" | {{ head -c {cut.skip} >/dev/null; head -c {cut.size}; cat >/dev/null; }}\n"
        for cut in wanted.cuts
    )
    return (
        f"address={quote(address)}\n"
        f"{{\n{cuts}head -c 1024 /dev/zero\n}} | tar -xf - --numeric-owner"
    )
