"""Clouds as people see and enter them, and which server is which machine."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from sqlalchemy import select

from cloudpilot import ROOT, clock
from cloudpilot.clouds.memory import WEB
from cloudpilot.db import reading, transaction
from cloudpilot.domain import clouds, runs
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Place, Role, RunKind
from cloudpilot.secrets import Secret
from tests.support.clouding import MACHINES, add_cloud
from tests.support.rows import add_server
from tests.web.conftest import Browser
from tests.web.scenes import LACKING, SNAPPING, add_backup, add_run

SECRET = "a-secret/of+this-test="
HOSTILE = "<script>alert(1)</script> '\"&"
UUIDS = ("6c9a1f3e-0d52-4b7a-9a3c-5e1d2f4b6a70", "0d52b1c8-6c9a-4f3e-8a3c-2f4b6a705e1d")
TYPED: dict[str, dict[str, str]] = {
    "aws": {"region": "eu-central-1", "key_id": "AKIAEXAMPLE"},
    "digitalocean": {},
    "azure": {"project": UUIDS[0], "tenant": "example.onmicrosoft.com", "key_id": UUIDS[1]},
}
AWS = {"name": "production", "secret": SECRET, "endpoint": "", **TYPED["aws"]}


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def cloud_id(app: Flask) -> UUID:
    """A cloud whose machines a check has seen, and whose name is hostile."""
    with transaction() as session:
        row = add_cloud(session, HOSTILE)
        row.secret = app.extensions["sealer"].seal(Secret(SECRET), row.secret_place)
        return row.id


@pytest.fixture
def server_id(app: Flask) -> UUID:
    """A server at the address of the second machine."""
    with transaction() as session:
        return add_server(session, "shop", host="203.0.113.11").id


def stored() -> Cloud:
    with reading() as session:
        return session.scalars(select(Cloud)).one()


def server_of(server_id: UUID) -> Server:
    with reading() as session:
        return session.get_one(Server, server_id)


def change(cloud_id: UUID, **columns: Any) -> None:
    with transaction() as session:
        row = session.get_one(Cloud, cloud_id)
        for name, value in columns.items():
            setattr(row, name, value)


def actions() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def machine(cloud_id: UUID, number: int = 0) -> str:
    return f"{cloud_id}:{MACHINES[number]['id']}"


def key_file() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    where = {"client_email": "cloudpilot@shop-123456.iam.gserviceaccount.com"}
    where |= {"private_key": pem, "token_uri": "https://oauth2.googleapis.com/token"}
    return json.dumps({"type": "service_account", **where})


def test_pages_know_policies_without_any_library() -> None:
    code = (
        "import sys; from cloudpilot.clouds import policies;"
        "from cloudpilot.kinds import CloudKind;"
        "import cloudpilot.web;"
        "print(*(policies.of(kind, 'eu-central-1', 'shop-123456', 'who') for kind in CloudKind));"
        "sys.exit(any(name in sys.modules for name in ('boto3', 'botocore', 'google.auth')))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    for words in (b"ec2:CreateSnapshots", b"droplet: read", b"gcloud iam", b"az role definition"):
        assert words in told.stdout


def test_the_provider_is_asked_first_and_has_its_own_fields(owner: Browser) -> None:
    page = owner.get("/clouds/new")
    for words in ("AWS", "Google Cloud", "Azure", "DigitalOcean"):
        assert words in page.text
    fields = {
        kind: {
            one.attrs.get("name", "")
            for tag in ("input", "textarea")
            for one in owner.get(f"/clouds/new?kind={kind}").all(tag)
        }
        for kind in ("aws", "digitalocean", "gcp", "azure")
    }
    common = {"csrf_token", "name", "secret", "endpoint"}
    assert fields["aws"] == common | {"region", "key_id"}
    assert fields["digitalocean"] == common
    assert fields["gcp"] == common | {"project"}
    assert fields["azure"] == common | {"project", "tenant", "key_id"}
    assert "Choose the provider first" in owner.post("/clouds/new", 422, **AWS).text


@pytest.mark.parametrize("kind", TYPED)
def test_a_cloud_is_added_sealed_checked_and_never_shown(owner: Browser, kind: str) -> None:
    owner.post(f"/clouds/new?kind={kind}", name="one", secret=SECRET, **TYPED[kind])
    cloud = stored()
    assert {name: getattr(cloud, name) for name in TYPED[kind]} == TYPED[kind]
    assert SECRET not in cloud.secret
    with reading() as session:
        [run] = session.scalars(select(Run)).all()
        assert (run.kind, run.cloud_id) == (RunKind.CHECK_CLOUD, cloud.id)
        entries = [str(vars(entry)) for entry in session.scalars(select(AuditEntry))]
    assert any("cloud.added" in entry for entry in entries)
    assert not any(SECRET in entry for entry in entries)
    for path in ("/clouds", f"/clouds/{cloud.id}", f"/clouds/{cloud.id}/edit", "/activity"):
        text = owner.get(path).text
        assert SECRET not in text
        assert cloud.secret not in text


def test_of_a_key_file_of_google_only_the_account_is_shown(owner: Browser) -> None:
    typed = key_file()
    owner.post("/clouds/new?kind=gcp", name="google", project="shop-123456", secret=typed)
    cloud = stored()
    assert cloud.key_id == "cloudpilot@shop-123456.iam.gserviceaccount.com"
    page = owner.get(f"/clouds/{cloud.id}")
    assert f"--member=serviceAccount:{cloud.key_id}" in page.text
    assert "PRIVATE KEY" not in page.text
    wrong = {"name": "other", "project": "shop-123456", "secret": '{"type": "authorized_user"}'}
    assert "authorized_user" not in owner.post("/clouds/new?kind=gcp", 422, **wrong).text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"region": "x/y"}, "Give the region"),
        ({"region": "eu-central-1.attacker.example/"}, "Give the region"),
        ({"key_id": "a b"}, "Give the access key"),
        ({"endpoint": "ftp://x"}, "https://HOST"),
        ({"endpoint": "http://169.254.169.254"}, "never"),
        ({"secret": ""}, "Give the secret"),
        ({"secret": "two words"}, "Give the secret"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_what_is_refused_stays_in_the_form_but_for_the_secret(
    owner: Browser, wrong: dict[str, str], said: str
) -> None:
    page = owner.post("/clouds/new?kind=aws", 422, **(AWS | wrong))
    assert said in page.one("main").text
    for name in ("name", "region", "key_id", "endpoint"):
        assert page.one("input", name=name).attrs["value"] == (AWS | wrong)[name]
    assert SECRET not in page.text
    with reading() as session:
        assert clouds.listed(session) == []


def test_two_clouds_have_two_names(owner: Browser, cloud_id: UUID) -> None:
    page = owner.post("/clouds/new?kind=aws", 422, **(AWS | {"name": HOSTILE}))
    assert "There is a cloud called" in page.text
    assert "INVALID_CONFIG" in page.text
    assert SECRET not in page.text


@pytest.mark.parametrize("other", [{"endpoint": "https://attacker.example"}, {"key_id": "AKIA2"}])
def test_a_kept_secret_goes_nowhere_else(
    owner: Browser, cloud_id: UUID, other: dict[str, str]
) -> None:
    before = stored()
    same = {"name": "renamed", **TYPED["aws"]}
    owner.post(f"/clouds/{cloud_id}/edit", **same)
    assert (stored().name, stored().secret) == ("renamed", before.secret)
    assert stored().instances is not None  # it is the same account: nothing to check
    page = owner.post(f"/clouds/{cloud_id}/edit", 422, **(same | other))
    assert "the secret has to be entered" in page.text
    owner.post(f"/clouds/{cloud_id}/edit", **(same | other), secret="another-secret-of-it")
    assert stored().secret != before.secret
    assert stored().instances is None
    with reading() as session:
        assert session.scalars(select(Run.kind)).all() == [RunKind.CHECK_CLOUD]
        entries = [str(entry.details) for entry in session.scalars(select(AuditEntry))]
    assert not any("another-secret-of-it" in entry for entry in entries)


def test_what_is_used_stays_the_account_that_it_is_and_is_not_removed(
    owner: Browser, cloud_id: UUID, server_id: UUID
) -> None:
    owner.post(f"/servers/{server_id}/cloud", machine=machine(cloud_id, 1))
    page = owner.get(f"/clouds/{cloud_id}/edit")
    names = {one.attrs.get("name") for one in page.all("input")}
    assert {"name", "key_id", "secret"} <= names
    assert not names & {"region", "endpoint"}
    page = owner.get(f"/clouds/{cloud_id}/remove")
    assert "1 server is a machine of it" in page.text
    refused = owner.post(f"/clouds/{cloud_id}/remove", 409)
    assert "It is the cloud of shop: unlink them first." in refused.text
    assert "INVALID_STATE" in refused.text
    owner.post(f"/servers/{server_id}/cloud/unlink")
    owner.post(f"/clouds/{cloud_id}/remove")
    assert stored().removed_at
    assert stored().secret == ""
    owner.get(f"/clouds/{cloud_id}", 404)
    assert "No clouds yet" in owner.get("/clouds").text


def test_snapshots_and_work_there_keep_a_cloud(
    owner: Browser, cloud_id: UUID, server_id: UUID
) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        what = {"type": BackupType.SNAPSHOT, "paths": ["/"]}
        [copy] = add_backup(session, server, None, Status.COMPLETED, **what).copies
        copy.place, copy.cloud_id, copy.server_id = Place.CLOUD, cloud_id, None
    page = owner.get(f"/clouds/{cloud_id}/remove")
    assert "1 snapshot is there or on its way" in page.text
    assert "delete them first" in owner.post(f"/clouds/{cloud_id}/remove", 409).text
    assert "1 snapshot" in owner.get(f"/clouds/{cloud_id}").one("main").text
    with transaction() as session:
        session.scalars(select(Copy)).one().move(session, CopyStatus.DELETING)
        session.scalars(select(Copy)).one().move(session, CopyStatus.GONE)
    owner.post(f"/clouds/{cloud_id}/check")
    page = owner.get(f"/clouds/{cloud_id}/remove")
    assert "A check of" in page.text
    assert "BACKUP_IN_PROGRESS" in owner.post(f"/clouds/{cloud_id}/remove", 409).text


def test_a_check_is_asked_for_once_and_polled_until_it_is_over(
    owner: Browser, cloud_id: UUID
) -> None:
    owner.post(f"/clouds/{cloud_id}/check")
    assert "BACKUP_IN_PROGRESS" in owner.post(f"/clouds/{cloud_id}/check", 409).text
    page = owner.get(f"/clouds/{cloud_id}")
    assert page.one("section", id=f"cloud-{cloud_id}-checkup").attrs["hx-trigger"] == "every 2s"
    assert "Check now" not in page.buttons
    with transaction() as session:
        [run] = session.scalars(select(Run)).all()
        run.move(session, Status.RUNNING)
        run.move(session, Status.COMPLETED)
    assert "every 2s" not in owner.get(f"/clouds/{cloud_id}/checkup").text
    assert "Check of a cloud" in owner.get("/activity").text
    assert actions() == ["cloud.check-requested"]


def test_the_machine_at_the_servers_address_is_proposed(
    owner: Browser, cloud_id: UUID, server_id: UUID
) -> None:
    page = owner.get(f"/clouds/{cloud_id}")
    assert "Link to shop" in page.one("main").text
    assert "Choose its machine" in owner.get(f"/servers/{server_id}").text
    page = owner.get(f"/servers/{server_id}/cloud")
    [checked] = [one for one in page.all("input") if "checked" in one.attrs]
    assert checked.attrs["value"] == machine(cloud_id, 1)
    assert "Has the server's address" in page.one("main").text


def test_a_server_is_linked_and_unlinked(owner: Browser, cloud_id: UUID, server_id: UUID) -> None:
    owner.post(f"/servers/{server_id}/cloud", machine=machine(cloud_id))
    row = server_of(server_id)
    assert (row.cloud_id, row.instance_id, row.instance_name) == (cloud_id, WEB.id, WEB.name)
    said = owner.get(f"/servers/{server_id}").one("main").text
    assert WEB.id in said
    assert HOSTILE in said
    page = owner.get(f"/servers/{server_id}/cloud")
    [checked] = [one for one in page.all("input") if "checked" in one.attrs]
    assert checked.attrs["value"] == machine(cloud_id)
    assert owner.get(f"/clouds/{cloud_id}").one("a", href=f"/servers/{server_id}").text == "shop"
    owner.post(f"/servers/{server_id}/cloud/unlink")
    assert server_of(server_id).cloud_id is None
    assert actions() == ["server.cloud-linked", "server.cloud-unlinked"]
    log = owner.get("/audit").text
    assert "Server cloud linked" in log
    assert "Server cloud unlinked" in log


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Choose a machine."),
        ("x:i-web", "Choose a machine."),
        ("{cloud}:i-another", "has not shown this machine"),
        ("{cloud}:", "has not shown this machine"),
        ("6c9a1f3e-0d52-4b7a-9a3c-5e1d2f4b6a70:i-web", "There is no such cloud."),
    ],
)
def test_only_a_machine_that_was_seen_is_linked(
    owner: Browser, cloud_id: UUID, server_id: UUID, typed: str, said: str
) -> None:
    status = 404 if "no such" in said else 422
    page = owner.post(f"/servers/{server_id}/cloud", status, machine=typed.format(cloud=cloud_id))
    assert said in page.text
    assert server_of(server_id).cloud_id is None


def test_a_machine_is_one_server(owner: Browser, cloud_id: UUID, server_id: UUID) -> None:
    with transaction() as session:
        other = add_server(session, "other", host="other.example.com").id
    owner.post(f"/servers/{other}/cloud", machine=machine(cloud_id))
    page = owner.post(f"/servers/{server_id}/cloud", 422, machine=machine(cloud_id))
    assert "is other already" in page.text
    values = [one.attrs.get("value") for one in page.all("input")]
    assert machine(cloud_id) not in values
    assert machine(cloud_id, 1) in values


def test_a_server_whose_snapshot_is_being_made_stays_linked(
    owner: Browser, cloud_id: UUID, server_id: UUID
) -> None:
    owner.post(f"/servers/{server_id}/cloud", machine=machine(cloud_id))
    with transaction() as session:
        server = session.get_one(Server, server_id)
        add_run(session, server, RunKind.SNAPSHOT, Status.RUNNING, cloud_id=cloud_id, **SNAPPING)
    for path, status in (("cloud/unlink", 409), ("cloud", 409)):
        page = owner.post(f"/servers/{server_id}/{path}", status, machine=machine(cloud_id, 1))
        assert "A snapshot of shop is being made." in page.text
        assert "INVALID_STATE" in page.text
    assert server_of(server_id).instance_id == WEB.id
    assert "A snapshot of shop" in owner.post(f"/servers/{server_id}/remove", 409).text


def test_a_machine_that_is_gone_is_said(owner: Browser, cloud_id: UUID, server_id: UUID) -> None:
    owner.post(f"/servers/{server_id}/cloud", machine=machine(cloud_id))
    assert "has not seen this machine" not in owner.get(f"/servers/{server_id}").text
    change(cloud_id, instances=MACHINES[1:])
    assert "has not seen this machine" in owner.get(f"/servers/{server_id}").text
    owner.get(f"/servers/{server_id}/cloud")


def test_which_server_a_machine_is_can_be_asked_from_the_cloud(
    owner: Browser, cloud_id: UUID, server_id: UUID
) -> None:
    path = f"/clouds/{cloud_id}/machines/which"
    page = owner.get(f"{path}?machine={WEB.id}")
    to = f"/servers/{server_id}/cloud?machine={cloud_id}:{WEB.id}"
    assert page.one("a", href=to).text == "shop"
    [checked] = [one for one in owner.get(to).all("input") if "checked" in one.attrs]
    assert checked.attrs["value"] == machine(cloud_id)
    owner.get(f"{path}?machine=i-another", 404)
    assert owner.client.get(path).location == f"/clouds/{cloud_id}/machines"


def test_many_machines_are_found_by_name_or_address(
    owner: Browser, cloud_id: UUID, server_id: UUID
) -> None:
    many = [
        {"id": f"i-{n}", "name": f"node-{n}", "addresses": [f"198.51.100.{n % 250}"],
         "region": "eu-central-1a", "disks": 1, "size": None}
        for n in range(2000)
    ]  # fmt: skip
    change(cloud_id, instances=[*many, *MACHINES])
    page = owner.get(f"/clouds/{cloud_id}")
    assert "10 of 2002" in page.one("main").text
    assert len(page.text) < 75_000
    page = owner.get(f"/servers/{server_id}/cloud")
    assert page.all("input")[-1].attrs["name"] == "machine"
    assert "50 of 2002" in page.one("main").text
    [first] = [one for one in page.all("input") if one.attrs.get("id") == "machine-1"]
    assert first.attrs["value"] == machine(cloud_id, 1)  # the one at its address
    for path in (f"/clouds/{cloud_id}/machines", f"/servers/{server_id}/cloud"):
        said = owner.get(f"{path}?q=NODE-1234").one("main").text
        assert "node-1234" in said
        assert "node-12345" not in said
        assert "No machine fits" in owner.get(f"{path}?q=nothing-like-it").text
    said = owner.get(f"/clouds/{cloud_id}/machines?page=2").one("main").text
    assert "Back" in said


def test_names_are_text_everywhere(owner: Browser, cloud_id: UUID, server_id: UUID) -> None:
    evil = {"id": "i-<b>", "name": HOSTILE, "addresses": ["<i>x</i>"], "region": "<u>", "disks": 1}
    line = LACKING | {"detail": HOSTILE}
    change(cloud_id, instances=[evil | {"size": None}], lines=[line], checked_at=clock.now())
    paths = ["/clouds", "/", f"/servers/{server_id}", f"/servers/{server_id}/cloud"]
    paths += [f"/clouds/{cloud_id}{end}" for end in ("", "/edit", "/remove", "/machines")]
    paths += [f"/clouds/{cloud_id}/machines/which?machine=i-%3Cb%3E"]
    for path in paths:
        page = owner.get(path)
        assert "<script>alert" not in page.text
        assert "<i>x" not in page.text
    owner.post(f"/servers/{server_id}/cloud", machine=f"{cloud_id}:i-<b>")
    assert "<script>alert" not in owner.get(f"/servers/{server_id}").text
    assert "<script>alert" not in owner.get("/audit").text


def test_a_cloud_that_does_not_work_is_on_the_overview(owner: Browser, cloud_id: UUID) -> None:
    with transaction() as session:
        server = add_server(session)
        add_backup(session, server, None, Status.COMPLETED)
        values = {"server_id": None, "cloud_id": cloud_id, "error_code": "CLOUD_UNREACHABLE"}
        add_run(session, server, RunKind.CHECK_CLOUD, Status.FAILED, **values)
    change(cloud_id, lines=None, checked_at=None)
    said = owner.get("/").one("main").text
    assert "Clouds that do not work" in said
    assert "CLOUD_UNREACHABLE" in said
    for path in ("/clouds", f"/clouds/{cloud_id}"):
        assert "Check failed" in owner.get(path).one("main").text
    change(cloud_id, lines=[LACKING], checked_at=clock.now())
    said = owner.get("/").one("main").text
    assert "CLOUD_DENIED" in said
    assert "Does not work" in owner.get("/clouds").text
    change(cloud_id, lines=[LACKING | {"level": "ok"}])
    assert "Clouds that do not work" not in owner.get("/").text


def test_a_snapshot_counts_percent_and_no_bytes(owner: Browser, cloud_id: UUID) -> None:
    with transaction() as session:
        server = add_server(session)
        columns = {"cloud_id": cloud_id, "rate": 3, **SNAPPING}
        run = add_run(session, server, RunKind.SNAPSHOT, Status.RUNNING, **columns)
    for path in (f"/runs/{run.id}/status", "/activity/live"):
        said = owner.get(path).text
        assert "40 %" in said
        assert "The cloud makes the snapshot" in said
        assert not [word for word in ("bytes", " B<", "B/s", "left") if word in said]
    with transaction() as session:
        runs.find(session, run.id).total = None
    assert "%" not in owner.get(f"/runs/{run.id}/status").text
    assert HOSTILE in owner.get(f"/runs/{run.id}").one("main").text


def test_who_may_not_change_clouds_sees_no_key_and_links_nothing(
    sign_in: Callable[[Role], Browser], cloud_id: UUID, server_id: UUID
) -> None:
    viewer = sign_in(Role.VIEWER)
    page = viewer.get(f"/clouds/{cloud_id}")
    assert "AKIAEXAMPLE" not in page.text
    assert page.buttons == {"Sign out"}
    assert "Link to" not in page.one("main").text
    assert f"/servers/{server_id}/cloud" not in viewer.get(f"/servers/{server_id}").text
    viewer.post(f"/servers/{server_id}/cloud", 403, machine=machine(cloud_id))
    viewer.post(f"/clouds/{cloud_id}/check", 403)
    assert actions() == []


def test_without_a_cloud_its_good_is_said(owner: Browser, server_id: UUID) -> None:
    with transaction() as session:
        session.get_one(Server, server_id).host_keys = ["SHA256:x"]
    assert "brings back a whole server" in owner.get("/clouds").text
    assert owner.get(f"/servers/{server_id}").one("a", href="/clouds/new").text == "Add the cloud"
    assert "No clouds yet" in owner.get(f"/servers/{server_id}/cloud").text


def test_who_may_not_add_a_cloud_is_told_who_does(
    sign_in: Callable[[Role], Browser], server_id: UUID
) -> None:
    with transaction() as session:
        session.get_one(Server, server_id).host_keys = ["SHA256:x"]
    member = sign_in(Role.MEMBER)
    for path in (f"/servers/{server_id}", "/clouds"):
        text = member.get(path).text
        assert "/clouds/new" not in text
        assert "An owner or admin of this panel adds" in text
