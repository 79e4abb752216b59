"""Plans, receipts and names: what is decided without asking anybody."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot.errors import (
    ChecksumMismatch,
    CloudPilotError,
    TooLargeForVault,
    UploadFailed,
    UploadIncomplete,
)
from cloudpilot.secrets import Secret
from cloudpilot.vaults import receipts
from cloudpilot.vaults.base import VerifiedBy
from cloudpilot.vaults.naming import disposition
from cloudpilot.vaults.plans import GIB, KIB, MIB, MOST_BYTES, MOST_PARTS, TIB, PartPlan, plan
from cloudpilot.vaults.receipts import compare, contradicts, judge
from cloudpilot.vaults.s3 import _is_opaque
from cloudpilot.vaults.uploads import Receipt, ReceivedPart, Upload

PLANS = [
    plan(None),
    plan(None, streamed=True),
    plan(None, equal_parts=True),
    plan(MOST_BYTES, equal_parts=True),
    plan(3 * GIB, equal_parts=True, streamed=True),
]
KMS = "b1946ac92492d2347c6235b4d2611184"  # of 32 digits like an MD5, and none
FIRST, SECOND = "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"


@pytest.mark.parametrize("cut", PLANS)
@given(total=st.integers(0, MOST_BYTES))
def test_parts_follow_each_other_without_a_gap(cut: PartPlan, total: int) -> None:
    if total > cut.most_bytes:
        with pytest.raises(UploadFailed):
            cut.cut(total)
        return
    sizes = cut.cut(total)
    assert sum(sizes) == total
    assert len(sizes) <= MOST_PARTS
    assert all(size > 0 for size in sizes)
    for number in {1, len(sizes) // 2, len(sizes) - 1} & set(range(1, len(sizes))):
        assert cut.offset_of(number + 1) - cut.offset_of(number) == sizes[number - 1]
        assert cut.size_of(number) == sizes[number - 1]


@pytest.mark.parametrize("cut", PLANS)
def test_every_store_takes_these_sizes(cut: PartPlan) -> None:
    """S3: 5 MiB to 5 GiB, ten thousand; Google: multiples of 256 KiB; Azure: up to 4,000 MiB."""
    assert cut.most_parts <= MOST_PARTS
    for size, _count in cut.tiers:
        assert 5 * MIB <= size <= 4_000 * MIB
        assert size % (256 * KIB) == 0


def test_five_tebibytes_fit_and_a_byte_is_enough() -> None:
    assert plan(1).cut(1) == [1]
    assert len(plan(MOST_BYTES).cut(MOST_BYTES)) <= MOST_PARTS
    assert plan(MOST_BYTES, equal_parts=True).most_bytes >= MOST_BYTES
    with pytest.raises(TooLargeForVault):
        plan(MOST_BYTES + 1)


def test_streamed_parts_are_small_enough_for_a_disk() -> None:
    for cut in (plan(None, streamed=True), plan(2 * TIB, equal_parts=True, streamed=True)):
        assert max(size for size, _count in cut.tiers) <= 256 * MIB
        assert cut.most_bytes > 2 * TIB


def test_a_library_is_loaded_when_it_is_told_to() -> None:
    """Whoever forks afterwards shares it. No connection, no key is needed."""
    code = """if True:
        import sys
        from cloudpilot.kinds import VaultKind
        from cloudpilot.vaults import registry
        mine = {VaultKind.S3: "boto3", VaultKind.GCS: "google.cloud.storage",
                VaultKind.AZURE_BLOB: "azure.storage.blob", VaultKind.DO_SPACES: "botocore"}
        for kind in (VaultKind.GCS, VaultKind.AZURE_BLOB, VaultKind.S3):
            assert mine[kind] not in sys.modules, kind
            registry.load(kind)
            assert mine[kind] in sys.modules, kind
        registry.load(VaultKind.DO_SPACES)
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("number", [0, -1, MOST_PARTS + 1])
def test_there_is_no_other_part(number: int) -> None:
    with pytest.raises(UploadFailed):
        plan(None).size_of(number)


def test_an_upload_is_kept_as_text() -> None:
    upload = Upload("a/b", Secret("an id"), plan(5 * GIB))
    assert Upload.from_secret(upload.as_secret()) == upload
    assert "an id" not in repr(upload.as_secret())


@given(
    numbers=st.lists(st.integers(-1, 4), max_size=4),
    size=st.integers(0, 25),
    digest=st.sampled_from([FIRST, "", "x" * 32, FIRST.upper(), f"{FIRST}\n", "0" * 31]),
)
def test_only_receipts_of_all_parts_in_order_are_believed(
    numbers: list[int], size: int, digest: str
) -> None:
    cut = PartPlan(((10, 3),))
    sizes = cut.cut(size)
    sent = [
        Receipt(number, sizes[number - 1] if 0 < number <= len(sizes) else 10, digest)
        for number in numbers
    ]
    good = numbers == list(range(1, len(sizes) + 1)) and (not numbers or digest == FIRST)
    try:
        judge(cut, sent, size)
    except CloudPilotError:
        assert not good
    else:
        assert good


def test_etags_that_are_md5s_have_to_be_the_parts() -> None:
    sent = [Receipt(1, 1, FIRST, "whatever"), Receipt(2, 1, SECOND)]
    stored = [ReceivedPart(1, 1, FIRST), ReceivedPart(2, 1, SECOND)]
    assert compare(sent, stored) is VerifiedBy.MD5_PARTS
    with pytest.raises(ChecksumMismatch):
        compare([sent[1], sent[1]][:1] and [Receipt(1, 1, SECOND), sent[1]], stored)
    with pytest.raises(UploadIncomplete):
        compare(sent, stored[:1])
    with pytest.raises(UploadIncomplete):
        compare(sent, [stored[0], ReceivedPart(2, 2, SECOND)])


def test_etags_of_an_encrypting_store_have_to_be_what_it_answered() -> None:
    """With SSE-KMS or SSE-C an ETag is no MD5; each part was taken only with the right one."""
    stored = [ReceivedPart(1, 1, "an-etag-that-is-no-md5")]
    told = Receipt(1, 1, FIRST, '"an-etag-that-is-no-md5"')
    assert compare([told], stored) is VerifiedBy.MD5_PER_BLOCK
    with pytest.raises(ChecksumMismatch):
        compare([Receipt(1, 1, FIRST, '"another"')], stored)
    assert not contradicts("whatever", stored)


def test_the_etag_of_the_whole_is_computed_where_it_can_be() -> None:
    parts = [ReceivedPart(1, 1, FIRST), ReceivedPart(2, 1, SECOND)]
    right = receipts.composite([FIRST, SECOND])
    assert right
    assert right.endswith("-2")
    assert not contradicts(right, parts)
    assert contradicts(f"{FIRST}-2", parts)
    assert not contradicts(FIRST, parts)  # another form: some stores give an MD5 of the whole


@given(st.text(max_size=200))
def test_a_name_to_save_under_is_one_header(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


@pytest.mark.parametrize(
    "heavy", ["boto3", "botocore", "google.cloud", "azure", "requests", "urllib3"]
)
def test_a_providers_library_is_loaded_when_a_vault_of_it_is_made(heavy: str) -> None:
    code = (
        "import sys, cloudpilot.vaults.registry, cloudpilot.vaults.s3, cloudpilot.vaults.gcs;"
        "import cloudpilot.vaults.azure_blob, cloudpilot.vaults.memory;"
        f"sys.exit({heavy!r} in sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_a_bucket_that_encrypts_takes_uploads() -> None:
    """By a key of KMS: its ETags look like MD5s and are none."""
    sent, stored = [Receipt(1, 1, FIRST, f'"{KMS}"')], [ReceivedPart(1, 1, KMS)]
    assert compare(sent, stored, opaque=True) is VerifiedBy.MD5_PER_BLOCK
    with pytest.raises(ChecksumMismatch):
        compare(sent, stored)
    kms = Upload("key", Secret("id"), plan(None), opaque=True)
    assert Upload.from_secret(kms.as_secret()) == kms
    assert _is_opaque({"ServerSideEncryption": "aws:kms:dsse"})
    assert _is_opaque({"SSECustomerAlgorithm": "AES256"})
    assert not _is_opaque({"ServerSideEncryption": "AES256"})
