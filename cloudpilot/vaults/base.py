"""What CloudPilot asks of a place that keeps backups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from cloudpilot.kinds import VaultKind
from cloudpilot.reports import CheckLine
from cloudpilot.secrets import Secret
from cloudpilot.vaults.uploads import OpenUpload, PartRequest, Receipt, ReceivedPart, Upload


class VerifiedBy(StrEnum):
    """How it is known that the store holds the bytes that were sent."""

    MD5_PARTS = "md5-parts"  # the store's list of parts has the MD5s that the server computed
    MD5_PER_BLOCK = "md5-per-block"  # it took each part only with the right MD5, and lists sizes
    MD5_WHOLE = "md5-whole"  # its MD5 of the whole object is the server's
    READBACK = "readback"  # it was read again and hashed; vaults do not do that by themselves


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is there."""

    key: str  # below the vault's prefix; "/" between its parts, none at its beginning
    size: int  # bytes
    modified_at: datetime  # when it came to be; the present where a store does not tell
    # The store's word for this very content; compared, never computed. "" where `version` says it.
    etag: str = ""
    version: str = ""  # version id or generation; "" where the store keeps no versions
    verified_by: VerifiedBy | None = None  # only `complete` says so

    def is_still(self, now: "StoredObject") -> bool:
        """Whether `now`, what `stat` says today, is what this was: nobody has replaced it."""
        same = self.etag == now.etag or bool(now.version and not now.etag)
        return same and (self.size, self.version) == (now.size, now.version)


class Fate(StrEnum):
    """What has become of an object that was to be deleted."""

    GONE = "gone"  # nobody can bring it back
    KEPT = "kept"  # deleted; the provider keeps it back for a while, and charges for it
    LOCKED = "locked"  # not deleted: a lock forbids it for a while


@dataclass(frozen=True, slots=True)
class Deletion:
    """`until`: up to when the provider keeps or locks it; None if it does not say."""

    fate: Fate
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """In what vaults differ, for those who upload."""

    parallel: int  # parts that may be on their way at once
    needs_whole_md5: bool = False  # `complete` must be told the MD5 of the whole object
    visible_with_last_part: bool = False  # the last part makes the object, `complete` proves it
    requests_expire: bool = True  # after `seconds`; otherwise with the upload
    lists_open: bool = True  # `open_uploads` finds what was begun and forgotten
    key_is_secret: bool = False  # `begin` makes a key that cannot be guessed


class Vault(Protocol):
    """Object storage, as a backup needs it: on their way there bytes never pass through here.

    A server uploads by itself: it is given a signed request for each part, PUTs the bytes and
    keeps what the store answers as a receipt. It holds no credential and can neither read nor
    delete. docs/vaults.md says what each provider can and cannot promise.

    Every method may raise VaultDenied (the credentials do not allow it), VaultMissing (there is no
    such bucket), VaultUnreachable (transient), VaultRefused (the store says no for another reason)
    and AddressRefused; they are not repeated below. No exception of a provider's library leaves a
    vault. Calls take seconds and are given up by themselves. tests/vaults/contract.py is this
    docstring in executable form.
    """

    kind: ClassVar[VaultKind]
    abilities: Abilities

    def begin(self, key: str, expected: int | None, *, streamed: bool = False) -> Upload:
        """Begin an upload; nothing is visible yet. A key is used once.

        expected, streamed  see `plans.plan`. Raises UploadFailed if it cannot be held.
        """

    def requests_for(
        self, upload: Upload, first: int, count: int, *, seconds: int
    ) -> list[PartRequest]:
        """Signed requests for the parts from number `first`, for so long; fewer at the plan's end.

        May be asked for again at any time: an expired request costs one part, not the upload. An
        object of 0 bytes has no parts: nothing is sent for it.
        """

    def received(self, upload: Upload) -> list[ReceivedPart]:
        """The parts that the store holds, by number; raises UploadIncomplete if it is not open.

        Where parts follow each other the last one may be there in part only.
        """

    def complete(
        self, upload: Upload, sent: Sequence[Receipt], size: int, *, md5: str = ""
    ) -> StoredObject:
        """Make the object visible once it is proven; asked again, it says the same again.

        What the server has sent is compared with what the store lists, before; size and checksum
        of what it has made, after. Whoever hashes what was sent has to see to it that it is the
        archive.

        sent  the receipts of all parts, in order
        size  bytes of the whole object
        md5   of the whole object, 32 hexadecimal digits; needed where `abilities` says so

        Raises UploadIncomplete if anything is missing or wrong, ChecksumMismatch among it: then
        nothing is visible under the key (where the last part makes the object, it is there,
        unproven, until it is deleted). It may take minutes.
        """

    def abort(self, upload: Upload) -> None:
        """Forget the upload and its parts; aborting twice is no error, and spares an object.

        To be asked when nobody sends any more. Raises UploadStillOpen (transient) if parts keep
        arriving. To give an upload up whose end is not known: `abort`, then `delete` its key.
        """

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        """Every open upload below `prefix`: none is the proof that nothing was left behind.

        Pages lazily; aborts nothing. Always empty where `abilities.lists_open` is False. Azure
        does not tell since when one is open. Raises VaultRefused if the store names any other.
        """

    def stat(self, key: str) -> StoredObject:
        """Raises ObjectMissing."""

    def sign_read(self, key: str, *, seconds: int, filename: str, version: str = "") -> Secret:
        """An address that gives the object by GET, ranges included, for so long.

        A browser saves it under `filename` and never shows it.
        """

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`, ordered by key; pages lazily, so who leaves
        it early has asked for little. Changes nothing. Raises VaultRefused if the store names any
        other.
        """

    def delete(self, key: str, version: str = "") -> Deletion:
        """Remove an object; one that is not there is GONE.

        version  of which version; "" for all that there are. The answer is the store's, asked
                 after the deletion.
        """

    def check(self, key: str = "") -> Sequence[CheckLine]:
        """Write, read, list and delete a small object, and look at what else matters.

        key  of `checks.new_key`: the folder of all that it writes; "" for a new one. A check that
             is cut off leaves what is there. Raises nothing: what fails is a line.
        """

    def policy(self) -> str:
        """The least that this vault's key must be allowed, as text to paste at the provider."""
