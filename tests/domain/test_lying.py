"""What lies in a vault, by backup."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cloudpilot.domain import lying
from cloudpilot.domain.lying import Lying
from cloudpilot.domain.manifests import Folder
from cloudpilot.errors import ManifestRefused
from tests.support.adopting import There, a_folder

ARCHIVE = "files-20261120-100000Z.tar.gz"
NAMES = (ARCHIVE, f"{ARCHIVE}.index.gz", "manifest.json")


def laid(folder: Folder, attempt: UUID, *names: str, later: int = 0) -> list[There]:
    at = There("").modified_at + timedelta(hours=later)
    return [There(f"{folder.name}/{attempt}/{name}", modified_at=at) for name in names]


def put_together(*objects: There) -> list[Lying[There]]:
    return list(lying.together(sorted(objects, key=lambda one: one.key)))


def test_objects_are_put_together_by_backup() -> None:
    one, other, attempt = a_folder(), a_folder(), uuid4()
    found = put_together(*laid(one, attempt, *NAMES), *laid(other, attempt, *NAMES))
    assert {each.folder for each in found} == {one, other}
    for each in found:
        assert each.with_manifests() == [attempt]
        objects = each.objects(attempt, ARCHIVE)
        assert [objects[name].key.rpartition("/")[2] for name in objects] == list(NAMES)
        assert each.manifest(attempt).key == f"{each.folder.name}/{attempt}/manifest.json"


@pytest.mark.parametrize(
    "key",
    [
        "cloudpilot-check/5f0e0d0c-0000-4000-8000-00000000000a/object",
        "photos/cat.jpg",
        "manifest.json",
        f"{a_folder().name}/manifest.json",
        f"{a_folder().name}/{uuid4()}/a/b/manifest.json",
        f"{a_folder().name}/{uuid4()}/../manifest.json",
        f"{a_folder().name}/{uuid4()}/it's",
        f"{a_folder().name.upper()}/{uuid4()}/manifest.json",
    ],
)
def test_what_is_called_otherwise_is_passed_over(key: str) -> None:
    assert put_together(There(key)) == []


def test_random_bits_before_the_names_are_azures() -> None:
    folder, attempt = a_folder(), uuid4()
    names = [f"{number:032x}/{name}" for number, name in enumerate(NAMES)]
    [found] = put_together(*laid(folder, attempt, *names))
    assert set(found.objects(attempt, ARCHIVE)) == {"archive", "index", "manifest"}


def test_the_newest_attempt_comes_first_and_the_newest_of_a_name() -> None:
    folder, early, late = a_folder(), uuid4(), uuid4()
    [found] = put_together(
        *laid(folder, early, *NAMES),
        *laid(folder, late, *NAMES, later=5),
        *laid(folder, early, f"{1:032x}/manifest.json", later=1),
    )
    assert found.with_manifests() == [late, early]
    assert "/0000" in found.manifest(early).key


def test_signatures_are_found_the_newest_first() -> None:
    folder, attempt = a_folder(), uuid4()
    early, late = (f"signature-{'0' * 15}{number}.json" for number in range(2))
    [found] = put_together(
        *laid(folder, attempt, *NAMES, early, "signature-x.json"),
        *laid(folder, attempt, late, later=1),
    )
    ends = [one.key.rpartition("/")[2] for one in found.signatures(attempt)]
    assert ends == [late, early]


def test_what_is_not_whole_is_refused_with_what_is_missing() -> None:
    folder, attempt = a_folder(), uuid4()
    [found] = put_together(*laid(folder, attempt, ARCHIVE))
    with pytest.raises(ManifestRefused, match="no manifest"):
        found.with_manifests()
    [found] = put_together(*laid(folder, attempt, "manifest.json"))
    with pytest.raises(ManifestRefused, match="archive and index"):
        found.objects(attempt, ARCHIVE)


def test_a_crowd_of_objects_is_refused_and_not_kept() -> None:
    folder, attempt = a_folder(), uuid4()
    [found] = put_together(*laid(folder, attempt, *(f"{n}" for n in range(500)), "manifest.json"))
    assert len(found.attempts[attempt]) == lying.OBJECTS_AT_MOST
    with pytest.raises(ManifestRefused, match="More objects"):
        found.with_manifests()
