"""domain.copies: what is said of a backup follows from where it lies."""

from itertools import combinations_with_replacement

import pytest

from cloudpilot.domain.copies import Copy, CopyStatus, Offsite, offsite
from cloudpilot.kinds import Place

# The truth table of docs/statuses.md.
TABLE = [
    ([], None),
    ([CopyStatus.MAKING], Offsite.UPLOADING),
    ([CopyStatus.STORED], Offsite.UPLOADED),
    ([CopyStatus.FAILED], Offsite.FAILED),
    ([CopyStatus.DELETING], None),
    ([CopyStatus.GONE], None),
    ([CopyStatus.MISSING], None),
    ([CopyStatus.STORED, CopyStatus.MAKING], Offsite.UPLOADING),
    ([CopyStatus.STORED, CopyStatus.FAILED], Offsite.FAILED),
    ([CopyStatus.MAKING, CopyStatus.FAILED], Offsite.FAILED),
    ([CopyStatus.STORED, CopyStatus.DELETING], Offsite.UPLOADED),
    ([CopyStatus.STORED, CopyStatus.GONE], Offsite.UPLOADED),
    ([CopyStatus.STORED, CopyStatus.MISSING], Offsite.UPLOADED),
]


def vault_copies(*states: CopyStatus) -> list[Copy]:
    return [Copy(place=Place.VAULT, status=state) for state in states]


@pytest.mark.parametrize(("states", "said"), TABLE)
def test_the_truth_table(states: list[CopyStatus], said: Offsite | None) -> None:
    assert offsite(vault_copies(*states)) is said


def test_a_copy_on_the_server_is_never_offsite() -> None:
    assert offsite(Copy(place=Place.SERVER, status=state) for state in CopyStatus) is None


@pytest.mark.parametrize("states", list(combinations_with_replacement(CopyStatus, 3)))
def test_uploaded_is_said_only_if_nothing_is_failed_or_under_way(
    states: tuple[CopyStatus, ...],
) -> None:
    if offsite(vault_copies(*states)) is Offsite.UPLOADED:
        assert CopyStatus.STORED in states
        assert not {CopyStatus.FAILED, CopyStatus.MAKING} & set(states)
