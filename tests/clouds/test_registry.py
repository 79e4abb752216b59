"""What is loaded for a cloud, and what is judged before one is made."""

import subprocess
import sys
from pathlib import Path

import pytest

from cloudpilot.clouds.account import Account
from cloudpilot.clouds.registry import load, open_cloud
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import CloudKind
from cloudpilot.secrets import Secret

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("boto3", "botocore", "google", "azure", "requests")
UUID = "6c9a1f3e-0d52-4b7a-9a3c-5e1d2f4b6a70"
OPENED = """
import sys
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.registry import open_cloud
from cloudpilot.kinds import CloudKind
from cloudpilot.secrets import Secret
cloud = open_cloud(Account(CloudKind({kind!r}), region="eu-central-1", project={uuid!r},
    tenant={uuid!r}, key_id={key_id!r}, secret=Secret("x")))
cloud.policy()
print([name for name in {libraries!r} if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("kind", "key_id", "loaded"),
    [
        (CloudKind.AWS, "AKIAEXAMPLE", ["boto3", "botocore"]),
        (CloudKind.DIGITALOCEAN, "", []),
        (CloudKind.AZURE, UUID, []),
    ],
)
def test_only_the_library_of_the_provider_is_loaded(
    kind: CloudKind, key_id: str, loaded: list[str]
) -> None:
    code = OPENED.format(kind=kind.value, uuid=UUID, key_id=key_id, libraries=LIBRARIES)
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert told.stdout.strip() == repr(loaded)


def test_google_is_asked_without_its_library() -> None:
    """Nor is it for a token; what it costs is said in docs/clouds.md."""
    code = (
        "import sys, cloudpilot.clouds.gcp, cloudpilot.clouds.registry as registry\n"
        "from cloudpilot.kinds import CloudKind\n"
        "registry.load(CloudKind.GCP)\n"
        f"sys.exit(any(name in sys.modules for name in {LIBRARIES!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("kind", CloudKind)
def test_every_kind_can_be_loaded_and_has_a_brand(kind: CloudKind) -> None:
    load(kind)
    assert kind.brand.lower().replace(" ", "") in {"aws", "digitalocean", "googlecloud", "azure"}


GOOD = {"region": "eu-central-1", "project": UUID, "tenant": UUID, "key_id": "AKIAEXAMPLE"}


@pytest.mark.parametrize("kind", [CloudKind.AWS, CloudKind.DIGITALOCEAN, CloudKind.AZURE])
@pytest.mark.parametrize("secret", ["", " ", "two words", "line\nline", "é", "x" * 1_001])
def test_a_secret_is_one_word(kind: CloudKind, secret: str) -> None:
    values = GOOD | ({"key_id": UUID} if kind is CloudKind.AZURE else {})
    with pytest.raises(InvalidConfig) as refused:
        open_cloud(Account(kind, **values, secret=Secret(secret)))
    assert not secret.strip() or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (CloudKind.AWS, {"region": ""}),
        (CloudKind.AWS, {"key_id": ""}),
        (CloudKind.AZURE, {"project": ""}),
        (CloudKind.AZURE, {"tenant": ""}),
        (CloudKind.AZURE, {"key_id": ""}),
        (CloudKind.GCP, {"project": ""}),
        (CloudKind.GCP, {"project": "shop-123456", "secret": Secret("{}")}),
    ],
)
def test_what_is_needed_must_be_there(kind: CloudKind, change: dict[str, object]) -> None:
    values = {**GOOD, "secret": Secret("x"), **change}
    with pytest.raises(InvalidConfig):
        open_cloud(Account(kind, **values))  # type: ignore[arg-type]


@pytest.mark.parametrize("tenant", [UUID, "example.onmicrosoft.com", "example.com"])
def test_a_directory_is_named_by_its_id_or_its_domain(tenant: str) -> None:
    values = GOOD | {"key_id": UUID, "tenant": tenant}
    assert open_cloud(Account(CloudKind.AZURE, **values, secret=Secret("x")))
