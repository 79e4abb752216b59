"""What every vault must do: `base.Vault`'s docstring in executable form.

A provider's class supplies `store`, which makes vaults; bytes go by HTTP, as a server's curl would
send them. `exceptions.py` names what a stand-in of a provider cannot show.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import uuid4

import pytest

from cloudpilot import clock
from cloudpilot.domain import orphans
from cloudpilot.domain.orphans import InVault, KnownInVault
from cloudpilot.errors import (
    InvalidConfig,
    ObjectMissing,
    UploadFailed,
    UploadIncomplete,
    VaultDenied,
    VaultMissing,
    VaultRefused,
    VaultUnreachable,
)
from cloudpilot.reports import Grade
from cloudpilot.vaults import keys, sending
from cloudpilot.vaults.base import Fate, StoredObject, Vault, VerifiedBy
from cloudpilot.vaults.plans import MIB
from cloudpilot.vaults.uploads import OpenUpload, Receipt, Upload
from tests.support import curl
from tests.support.until import until
from tests.vaults.sending import SMALLEST, Sender, in_small_parts, md5

BODY = b"one two"
ODD_NAMES = [
    "a b+c%20d&e=f?g#h.tar.gz",
    'quote\'d "twice" <&>;$(x)`y`',
    "Ünïcödé-日本-🗄",
    "~tilde!*()[]{}|^@,:",
    "-rf",
    "a.b..c",
]
REFUSED_NAMES = [
    "", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".", "a/...", "a.", "a./b", "a\\b",
    "a\nb", "a\rb", "a\0b", "a\x7fb", "a\u200eb" * 0 + "a\ud800b", "x" * 1_025,
]  # fmt: skip


class Store(Protocol):
    """What a provider's tests supply."""

    page: int  # objects that one answer lists at most
    secrets: list[str]  # that must be in no message and no repr

    def vault(self, **changes: object) -> Vault:
        """A vault in the shared bucket, below a prefix of this test's own.

        changes  credentials="wrong" | bucket="missing" | endpoint=… | private=…
        """

    def fill(self, vault: Vault, names: list[str]) -> None:
        """Put empty objects there, as quickly as it goes."""


class VaultContract:
    """Every test is a clause."""

    @pytest.fixture
    def vault(self, store: Store) -> Vault:
        return store.vault()

    def send(self, vault: Vault) -> Callable[..., curl.Answer]:
        """What sends a request."""
        return curl.send

    def sender(self, vault: Vault, upload: Upload, body: bytes = BODY) -> Sender:
        return Sender(vault, upload, body, self.send(vault))

    def stored(self, vault: Vault, key: str = "web-1/a", body: bytes = BODY):  # type: ignore[no-untyped-def]
        """An object, sent and completed."""
        sender = self.sender(vault, vault.begin(key, len(body)), body)
        return sender.complete(sender.all())

    def read(self, vault: Vault, key: str, *headers: tuple[str, str]) -> curl.Answer:
        url = vault.sign_read(key, seconds=60, filename="a file.tar.gz")
        return self.send(vault)("GET", url.reveal(), headers)

    # An object comes to be.

    def test_what_was_sent_comes_back(self, vault: Vault) -> None:
        stored = self.stored(vault)

        assert stored.size == len(BODY)
        assert stored.verified_by in {
            VerifiedBy.MD5_PARTS, VerifiedBy.MD5_PER_BLOCK, VerifiedBy.MD5_WHOLE,
        }  # fmt: skip
        answer = self.read(vault, stored.key)
        assert (answer.status, answer.body) == (200, BODY)
        assert stored.is_still(vault.stat(stored.key))
        assert [found.key for found in vault.list()] == [stored.key]

    @pytest.mark.parametrize("size", [7, 16 * MIB + 7], ids=["a part", "two parts"])
    def test_what_the_panel_itself_sends_comes_back(self, vault: Vault, size: int) -> None:
        body = bytes(range(251)) * (size // 251 + 1)
        what, begun = sending.content(BytesIO(body[:size])), list[Upload]()
        wire: Any = SimpleNamespace(send=self.send(vault))
        stored = sending.send(vault, wire, "cloudpilot-panel/a.age", what, begun.append)

        assert (stored.key, stored.size, what.size) == (begun[0].key, size, size)
        assert self.read(vault, stored.key).body == body[:size]

    def test_what_the_panel_cannot_send_is_nowhere(self, vault: Vault) -> None:
        refused: Any = SimpleNamespace(send=lambda *_: curl.Answer(403, {}))
        what = sending.content(BytesIO(BODY))
        with pytest.raises(UploadFailed, match="answered 403"):
            sending.send(vault, refused, "cloudpilot-panel/a.age", what, lambda _: None)
        busy: Any = SimpleNamespace(send=lambda *_: curl.Answer(503, {}))
        with pytest.raises(VaultUnreachable, match="answered 503"):
            sending.send(vault, busy, "cloudpilot-panel/b.age", what, lambda _: None)
        assert list(vault.list("cloudpilot-panel/")) == []

    def test_a_browser_saves_it_under_a_name(self, vault: Vault) -> None:
        told = self.read(vault, self.stored(vault).key).headers["content-disposition"]
        assert told.startswith("attachment;")
        assert "a%20file.tar.gz" in told

    def test_a_range_of_it_can_be_read(self, vault: Vault) -> None:
        answer = self.read(vault, self.stored(vault).key, ("Range", "bytes=4-6"))
        assert (answer.status, answer.body) == (206, b"two")

    def test_several_parts_become_one_object(self, vault: Vault) -> None:
        body = bytes(range(256)) * (2 * SMALLEST // 256) + b"the end"
        upload = in_small_parts(vault.begin("web-1/parts", len(body)))
        sender = self.sender(vault, upload, body)
        stored = sender.complete(sender.all())

        assert stored.size == len(body)
        assert self.read(vault, stored.key).body == body

    def test_an_empty_object_is_an_object(self, vault: Vault) -> None:
        stored = self.stored(vault, body=b"")
        assert stored.size == vault.stat(stored.key).size == 0
        assert self.read(vault, stored.key).body == b""

    def test_nothing_is_visible_before_it_is_complete(self, vault: Vault) -> None:
        upload = vault.begin("web-1/half", len(BODY))
        self.sender(vault, upload).all()

        assert list(vault.list()) == []
        with pytest.raises(ObjectMissing):
            vault.stat(upload.key)

    def test_nothing_is_visible_before_the_last_part(self, vault: Vault) -> None:
        body = bytes(SMALLEST) + b"the end"
        upload = in_small_parts(vault.begin("web-1/half", len(body)))
        sender = self.sender(vault, upload, body)
        [first] = vault.requests_for(upload, 1, 1, seconds=60)
        sender.receipt(first)

        assert list(vault.list()) == []
        with pytest.raises(ObjectMissing):
            vault.stat(upload.key)
        with pytest.raises(UploadIncomplete):
            sender.complete([Receipt(1, SMALLEST, md5(sender.parts[0]))])
        assert list(vault.list()) == []

    def test_completed_twice_it_is_the_same_object(self, vault: Vault) -> None:
        """The answer to the first may have got lost."""
        sender = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        sent = sender.all()
        first = sender.complete(sent)
        assert sender.complete(sent).is_still(first)

    def test_another_process_goes_on_with_an_upload(self, store: Store, vault: Vault) -> None:
        kept = vault.begin("web-1/a", len(BODY)).as_secret()
        again = store.vault(prefix_of=vault)
        sender = self.sender(again, Upload.from_secret(kept))
        assert sender.complete(sender.all()).size == len(BODY)

    def test_what_has_arrived_can_be_asked(self, vault: Vault) -> None:
        body = bytes(SMALLEST) + b"the end"
        upload = in_small_parts(vault.begin("web-1/a", len(body)))
        assert vault.received(upload) == []
        [first] = vault.requests_for(upload, 1, 1, seconds=60)
        self.sender(vault, upload, body).receipt(first)
        assert [(part.number, part.size) for part in vault.received(upload)] == [(1, SMALLEST)]

    # Nothing comes to be that is not what was sent.

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda sent: sent[:-1],
            lambda sent: [*sent, sent[-1]],
            lambda sent: [replace(sent[0], md5="0" * 32)],
            lambda sent: [replace(sent[0], md5=f"{sent[0].md5[:31]}\n")],
            lambda sent: [replace(sent[0], md5="wrong")],
            lambda sent: [replace(sent[0], size=6)],
            lambda sent: [replace(sent[0], number=2)],
        ],
        ids=["missing", "twice", "another md5", "newline", "no md5", "size", "number"],
    )
    def test_a_missing_or_wrong_receipt_completes_nothing(
        self, vault: Vault, spoil: Callable[[list[Receipt]], list[Receipt]]
    ) -> None:
        upload = vault.begin("web-1/spoilt", len(BODY))
        receipts = spoil(self.sender(vault, upload).all())

        with pytest.raises(UploadIncomplete):
            vault.complete(upload, receipts, len(BODY), md5=receipts[0].md5 if receipts else "")
        self.give_up(vault, upload)
        assert list(vault.list()) == []

    def test_another_size_completes_nothing(self, vault: Vault) -> None:
        upload = vault.begin("web-1/spoilt", len(BODY))
        [receipt] = self.sender(vault, upload).all()
        with pytest.raises(UploadIncomplete):
            vault.complete(upload, [replace(receipt, size=9)], 9, md5=receipt.md5)
        self.give_up(vault, upload)
        assert list(vault.list()) == []

    def test_a_receipt_of_what_was_never_sent_completes_nothing(self, vault: Vault) -> None:
        upload = vault.begin("web-1/never", len(BODY))
        with pytest.raises(UploadIncomplete):
            vault.complete(upload, [Receipt(1, len(BODY), md5(BODY))], len(BODY), md5=md5(BODY))
        assert list(vault.list()) == []

    def give_up(self, vault: Vault, upload: Upload) -> None:
        """As whoever cannot know how it ended."""
        if not vault.abilities.visible_with_last_part:
            assert list(vault.list()) == []
        vault.abort(upload)
        vault.delete(upload.key)

    def test_a_part_that_is_damaged_on_its_way_is_refused(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = self.sender(vault, upload)
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        wrong = md5(b"other bytes")
        assert sender.put(request, md5=wrong, whole_md5=wrong).status in {400, 403}
        assert list(vault.list()) == []

    def test_a_part_can_be_sent_again(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = self.sender(vault, upload)
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        assert sender.put(request, b"ONE TWO").status in {200, 201}
        assert sender.complete([sender.receipt(request)]).size == len(BODY)
        assert self.read(vault, upload.key).body == BODY

    # An upload is forgotten.

    def test_an_upload_is_open_until_it_is_aborted(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        self.sender(vault, upload).all()
        assert [found.key for found in vault.open_uploads()] == [upload.key]
        assert [found.key for found in vault.open_uploads("web-2/")] == []

        vault.abort(upload)
        vault.abort(upload)
        assert list(vault.open_uploads()) == []
        assert list(vault.list()) == []

    def test_an_upload_that_the_list_names_can_be_aborted(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        self.sender(vault, upload).all()
        [found] = vault.open_uploads("web-1/")
        assert found.upload
        vault.abort(found.upload)
        assert list(vault.open_uploads()) == []

    def test_a_part_that_comes_after_the_abort_leaves_nothing(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        vault.abort(upload)
        self.sender(vault, upload).put(request)
        vault.abort(upload)
        assert list(vault.open_uploads()) == []
        assert list(vault.list()) == []

    def test_an_upload_that_was_aborted_completes_nothing(self, vault: Vault) -> None:
        sender = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        [request] = vault.requests_for(sender.upload, 1, 1, seconds=60)
        vault.abort(sender.upload)
        with pytest.raises(UploadIncomplete):
            sender.complete([Receipt(1, len(BODY), md5(BODY))])
        assert sender.put(request).status >= 200
        vault.abort(sender.upload)
        assert list(vault.list()) == []

    def test_aborting_spares_what_was_completed(self, vault: Vault) -> None:
        sender = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        stored = sender.complete(sender.all())
        vault.abort(sender.upload)
        assert stored.is_still(vault.stat(stored.key))

    def test_a_completed_upload_is_not_open(self, vault: Vault) -> None:
        self.stored(vault)
        assert list(vault.open_uploads()) == []

    # What a signed request can do.

    def test_an_expired_request_is_refused_and_another_is_given(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = self.sender(vault, upload)
        [short] = vault.requests_for(upload, 1, 1, seconds=1)
        until(lambda: sender.put(short).status, lambda status: status in {400, 401, 403})
        assert sender.complete(sender.all()).size == len(BODY)

    def test_an_expired_address_gives_nothing(self, vault: Vault) -> None:
        key = self.stored(vault).key
        url = vault.sign_read(key, seconds=1, filename="a").reveal()
        answer = until(
            lambda: self.send(vault)("GET", url), lambda found: found.status in {400, 401, 403}
        )
        assert BODY not in answer.body

    def test_a_request_for_a_part_neither_reads_nor_deletes(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = self.sender(vault, upload)
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        stored = sender.complete(sender.all())
        for url in (request.url.reveal(), request.url.reveal().split("&comp=block")[0]):
            for method in ("GET", "HEAD", "DELETE"):
                assert BODY not in self.send(vault)(method, url).body
        assert stored.is_still(vault.stat(stored.key))

    def test_a_request_for_a_part_writes_no_other_key(self, vault: Vault) -> None:
        upload, other = vault.begin("web-1/mine", 7), vault.begin("web-1/yours", 7)
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        bent = request.url.reveal().replace(_last(upload.key), _last(other.key))
        assert bent != request.url.reveal()
        put = replace(request, url=type(request.url)(bent))
        assert self.sender(vault, other).put(put).status in {400, 401, 403, 404}
        for one in (upload, other):
            vault.abort(one)
        assert list(vault.list()) == []

    def test_a_forged_signature_is_refused(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        url = request.url.reveal()
        for name in ("Signature=", "sig=", "mark="):
            url = url.replace(name, f"{name}0000")
        assert url != request.url.reveal()
        put = replace(request, url=type(request.url)(url))
        assert self.sender(vault, upload).put(put).status in {400, 401, 403}
        vault.abort(upload)

    def test_an_address_for_reading_is_for_one_object_and_for_reading(self, vault: Vault) -> None:
        first, other = self.stored(vault, "web-1/mine"), self.stored(vault, "web-1/yours", b"x")
        url = vault.sign_read(first.key, seconds=60, filename="x").reveal()
        bent = url.replace(_last(first.key), _last(other.key), 1)
        assert bent != url
        assert self.send(vault)("GET", bent).status in {400, 401, 403}
        for method in ("PUT", "DELETE"):
            assert self.send(vault)(method, url, (), b"").status >= 400
        assert first.is_still(vault.stat(first.key))

    def test_what_is_complete_cannot_be_replaced_unnoticed(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = self.sender(vault, upload)
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        stored = sender.complete(sender.all())
        self.overwrite(vault, sender, request)
        now = vault.stat(stored.key)
        untouched = self.read(vault, stored.key).body == BODY
        assert untouched == stored.is_still(now)
        assert untouched or vault.abilities.key_is_secret

    def overwrite(self, vault: Vault, sender: Sender, request) -> None:  # type: ignore[no-untyped-def]
        """Do the worst that the request allows."""
        sender.put(request, b"ONE TWO")

    # Who may, and who is there.

    def test_wrong_credentials_are_denied(self, store: Store) -> None:
        stranger = store.vault(credentials="wrong")
        for attempt in (
            lambda: stranger.begin("a", 1),
            lambda: stranger.stat("a"),
            lambda: list(stranger.list()),
            lambda: stranger.delete("a"),
        ):
            with pytest.raises(VaultDenied) as denied:
                attempt()
            assert not any(secret in str(denied.value) for secret in store.secrets)

    def test_a_bucket_that_is_not_there_is_said_to_be_missing(self, store: Store) -> None:
        homeless = store.vault(bucket="missing")
        for attempt in (lambda: homeless.begin("a", 1), lambda: list(homeless.list())):
            with pytest.raises(VaultMissing):
                attempt()

    # Names.

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_an_odd_name_comes_back_as_it_was(self, vault: Vault, name: str) -> None:
        stored = self.stored(vault, f"web-1/{name}")
        assert stored.key.endswith(f"/{name}")
        assert [found.key for found in vault.list("web-1/")] == [stored.key]
        assert self.read(vault, stored.key).body == BODY
        assert vault.delete(stored.key, stored.version).fate is Fate.GONE
        assert list(vault.list()) == []

    @pytest.mark.parametrize("name", REFUSED_NAMES)
    def test_a_name_that_stores_read_differently_is_refused(self, vault: Vault, name: str) -> None:
        for attempt in (
            lambda: vault.begin(name, 1),
            lambda: vault.stat(name),
            lambda: vault.sign_read(name, seconds=1, filename="x"),
            lambda: vault.delete(name),
        ):
            with pytest.raises(InvalidConfig):
                attempt()

    def test_a_vault_sees_nothing_outside_its_prefix(self, store: Store, vault: Vault) -> None:
        stored = self.stored(vault)
        other = store.vault()
        assert list(other.list()) == []
        assert list(other.open_uploads()) == []
        with pytest.raises(ObjectMissing):
            other.stat(stored.key)

    # Lists and deletions.

    def test_a_long_list_is_whole_and_in_order(self, store: Store, vault: Vault) -> None:
        names = sorted(f"many/{number:04d}-{uuid4().hex[:4]}" for number in range(store.page + 3))
        store.fill(vault, [*names, "other/a"])
        assert [found.key for found in vault.list("many/")] == names
        assert [found.key for found in vault.list("many/000")] == names[:10]
        assert next(vault.list("many/")).key == names[0]

    def test_a_list_of_what_was_not_asked_for_is_refused(
        self, vault: Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is given up is found by lists, and deleted."""
        self.stored(vault, "web-2/other")
        upload = vault.begin("web-2/open", len(BODY))
        self.sender(vault, upload).all()
        self.forget_what_is_asked_for(vault, monkeypatch)
        with pytest.raises(VaultRefused):
            list(vault.list("web-1/"))
        if vault.abilities.lists_open:
            with pytest.raises(VaultRefused):
                list(vault.open_uploads("web-1/"))
        vault.abort(upload)

    def forget_what_is_asked_for(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on the store lists all that there is."""
        raise NotImplementedError

    def test_deleting_what_is_not_there_is_no_error(self, vault: Vault) -> None:
        assert vault.delete("web-1/never").fate is Fate.GONE
        stored = self.stored(vault)
        for _twice in range(2):
            assert vault.delete(stored.key, stored.version).fate is Fate.GONE

    @pytest.mark.parametrize("by_version", [True, False])
    def test_deleted_means_gone(self, vault: Vault, by_version: bool) -> None:
        stored = self.stored(vault)
        url = vault.sign_read(stored.key, seconds=60, filename="x").reveal()
        assert vault.delete(stored.key, stored.version if by_version else "").fate is Fate.GONE
        with pytest.raises(ObjectMissing):
            vault.stat(stored.key)
        assert self.send(vault)("GET", url).status == 404

    def test_deleting_spares_names_that_begin_alike(self, vault: Vault) -> None:
        first, longer = self.stored(vault, "web-1/a"), self.stored(vault, "web-1/a-b")
        vault.delete(first.key)
        assert longer.is_still(vault.stat(longer.key))

    def test_what_is_there_says_since_when(self, vault: Vault) -> None:
        stored, upload = self.stored(vault), vault.begin("web-1/half", len(BODY))
        self.sender(vault, upload).parts_but_the_end()
        times = [found.modified_at for found in vault.list()]
        assert len(times) == 1
        times.append(vault.stat(stored.key).modified_at)
        times += [found.begun_at for found in vault.open_uploads() if found.begun_at]
        assert all(abs(clock.now() - at) < timedelta(minutes=5) for at in times)
        vault.abort(upload)

    def test_what_nobody_knows_is_found_and_is_left_as_it_is(self, vault: Vault) -> None:
        ids = [uuid4() for _ in range(3)]
        left, kept = (self.stored(vault, keys.backup_key(*ids, name)) for name in ("a", "b"))
        foreign = self.stored(vault, "photos/cat.jpg")
        known = KnownInVault(frozenset({kept.key}), servers=frozenset({str(ids[0])}))
        begun = vault.begin(keys.backup_key(*ids, "c"), len(BODY))
        sent = self.sender(vault, begun).parts_but_the_end()

        def found(days: int) -> InVault[StoredObject, OpenUpload]:
            now = clock.now() + timedelta(days=days)
            return orphans.in_vault(vault.list(), vault.open_uploads(), known, now)

        later = found(2)
        assert [one.key for one in later.objects] == [left.key]
        assert (later.strange, later.foreign) == (0, 1)
        told = {one.key for one in vault.open_uploads() if one.begun_at}
        assert [one.key for one in later.uploads] == [begun.key] * (begun.key in told)
        assert (found(0).objects, found(0).uploads) == ([], [])

        assert [one.key for one in vault.list()] == sorted([left.key, kept.key, foreign.key])
        assert self.read(vault, left.key).body == BODY
        assert len(vault.received(begun)) == sent  # it is still open
        vault.abort(begun)

    # The check, and what nobody may read.

    def test_a_check_says_that_all_is_well_and_leaves_nothing(self, vault: Vault) -> None:
        lines = vault.check()
        assert [line for line in lines if line.grade is Grade.FAILED] == []
        about = {line.about for line in lines}
        assert about >= {"write", "read", "list", "delete", "abort", "encryption"}
        assert all(line.sentence.endswith(".") for line in lines)
        assert all(line.remedy for line in lines if line.grade is not Grade.OK)
        assert list(vault.list()) == []
        assert list(vault.open_uploads()) == []

    @pytest.mark.parametrize(
        ("changes", "code"),
        [({"credentials": "wrong"}, "VAULT_DENIED"), ({"bucket": "missing"}, "VAULT_MISSING")],
    )
    def test_a_check_that_fails_says_why(
        self, store: Store, changes: dict[str, object], code: str
    ) -> None:
        failed = [line for line in store.vault(**changes).check() if line.grade is Grade.FAILED]
        assert [line.code for line in failed] == [code]
        assert failed[0].remedy

    def test_a_policy_names_the_bucket(self, vault: Vault) -> None:
        assert len(vault.policy()) > 20

    def test_no_secret_is_in_what_is_printed(self, store: Store, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        requests = vault.requests_for(upload, 1, 2, seconds=60)
        read = vault.sign_read(upload.key, seconds=60, filename="x")
        printed = f"{vault!r} {upload!r} {upload.as_secret()!r} {requests!r} {read!r} {read}"
        hidden = [*store.secrets, *(one.url.reveal() for one in requests), read.reveal()]
        if upload.id.reveal():
            hidden.append(upload.id.reveal())
        assert not any(secret in printed for secret in hidden)
        vault.abort(upload)

    def test_keys_are_made_of_ids(self, vault: Vault) -> None:
        ids = [uuid4() for _ in range(3)]
        stored = self.stored(vault, keys.backup_key(*ids, "files-20261125.tar.gz"))
        assert stored.key.startswith("/".join(map(str, ids)))


def _last(key: str) -> str:
    """The part of a key in which two uploads of these tests differ."""
    return "/".join(key.split("/")[1:])
