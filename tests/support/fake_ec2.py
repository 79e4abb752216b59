"""EC2 by moto, and before it a gate that does what EC2 documents and moto lacks: snapshots that are
pending or have failed, lists in pages, lists that are late, keys that are refused."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from cloudpilot.connections import Answer
from tests.support import curl
from tests.support.fake_cloud import Fake, Request, serving
from tests.support.ports import free_port, wait_for

PROGRAM = Path(sys.executable).parent / "moto_server"
REGION, KEY_ID, SECRET = "eu-central-1", "AKIAPANELSNAPSHOTS", "5ecret/of+the/ec2/user"
SPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
_N = f"{{{SPACE}}}"
_SCOPE = f"Credential={KEY_ID}/20260101/{REGION}/ec2/aws4_request, SignedHeaders=a, Signature=b"
ADDRESSES = (
    ("ipAddress", "203.0.113.10"), ("publicIp", "203.0.113.10"), ("privateIpAddress", "10.0.0.10"),
)  # fmt: skip
# Of the hundred names of EC2's answers those that are read.
MATTERING = {
    "availabilityZone", "blockDeviceMapping", "ebs", "instanceId", "instanceState", "instancesSet",
    "key", "name", "placement", "progress", "reservationSet", "snapshotId", "snapshotSet",
    "startTime", "status", "tagSet", "value", "volumeId", "volumeSize",
}  # fmt: skip
ElementTree.register_namespace("", SPACE)


@dataclass
class FakeEc2(Fake):
    """The gate. `states` of snapshots by their ids; one that is not in it is pending."""

    moto: int = 0
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    progress: str = "30%"
    late: dict[str, int] = field(default_factory=dict)  # for so many requests not listed
    leaving: dict[str, int] = field(default_factory=dict)  # for so many still there
    forbidden: set[str] = field(default_factory=set)  # actions
    is_clean: bool = True

    def ask(self, action: str, **values: str) -> ElementTree.Element:
        """Ask moto, past the gate."""
        self.is_clean &= action.startswith("Describe")
        body = urlencode({"Action": action, "Version": "2016-11-15", **values}).encode()
        answer = self._forward(_HEADERS, body)
        assert answer.status == 200, answer
        return ElementTree.fromstring(answer.body)

    def ids(self, action: str, name: str, **values: str) -> list[str]:
        """Of what moto lists."""
        return [one.text or "" for one in self.ask(action, **values).iter(f"{_N}{name}")]

    def tagged(self, tag: str) -> list[str]:
        """The snapshots with this tag."""
        wanted = {"Filter.1.Name": "tag:cloudpilot:backup", "Filter.1.Value.1": tag}
        return self.ids("DescribeSnapshots", "snapshotId", **wanted)

    def clean(self) -> None:
        """Nothing is there but machines."""
        if self.is_clean:
            return
        marks = {"Filter.1.Name": "tag-key", "Filter.1.Value.1": "cloudpilot:restore"}
        for key in self.ids("DescribeVolumes", "volumeId", **marks):
            self.ask("DeleteVolume", VolumeId=key)
        marks["Filter.1.Value.1"] = "cloudpilot:backup"
        for key in self.ids("DescribeSnapshots", "snapshotId", **marks):
            self.ask("DeleteSnapshot", SnapshotId=key)

    def begin_anew(self) -> None:
        """As it was before a test."""
        self.ended.set()  # who waits is let go
        self.clean()
        anew = FakeEc2(moto=self.moto, port=self.port, lock=self.lock)
        vars(self).update(vars(anew))

    def run(self, name: str, count: int = 1) -> list[str]:
        """Machines with two volumes."""
        values = {"ImageId": "ami-12c6146b", "MinCount": str(count), "MaxCount": str(count)}
        for number, (device, size) in enumerate((("/dev/sda1", 10), ("/dev/sdb", 20)), 1):
            disk = f"BlockDeviceMapping.{number}"
            values |= {f"{disk}.DeviceName": device, f"{disk}.Ebs.VolumeSize": str(size)}
        mark = "TagSpecification.1"
        values |= {f"{mark}.ResourceType": "instance", f"{mark}.Tag.1.Key": "Name"}
        return self.ids("RunInstances", "instanceId", **values, **{f"{mark}.Tag.1.Value": name})

    def is_order(self, request: Request) -> bool:
        return not request.form.get("Action", "").startswith("Describe")

    def refused(self, request: Request) -> Answer | None:
        if f"Credential={KEY_ID}/" not in request.headers.get("authorization", ""):
            return error(401, "AuthFailure", "AWS was not able to validate the credentials")
        if request.form.get("Action") in self.forbidden:
            return error(403, "UnauthorizedOperation", "You are not authorized to do this.")
        return None

    def sent(self, answer: Answer) -> Answer:
        """As with JSON."""
        if not answer.body:
            return answer
        root = ElementTree.fromstring(answer.body)
        for parent in list(root.iter()):
            for child in list(parent):
                self.names.add(child.tag.rpartition("}")[2])
                if child.tag.rpartition("}")[2] == self.left_out:
                    parent.remove(child)
        return replace(answer, body=ElementTree.tostring(root))

    def names_that_matter(self) -> list[str]:
        assert self.names >= MATTERING
        return sorted(MATTERING)

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Answer]]]:
        return (("POST", "/", self._pass),)

    def nowhere(self) -> Answer:
        return error(404, "NotFound", "There is nothing here.")

    def _pass(self, request: Request) -> Answer:
        form = request.form
        self.is_clean &= not self.is_order(request)
        is_dry = form.get("DryRun") == "true"
        if form["Action"] == "DeleteSnapshot" and self.lingering and not is_dry:
            self.leaving.setdefault(form["SnapshotId"], self.lingering)
            return _said("<DeleteSnapshotResponse><return>true</return></DeleteSnapshotResponse>")
        answer = self._forward(request.headers, request.body)
        root = ElementTree.fromstring(answer.body)
        if answer.status == 200:
            self._changed(form, root)
        self._pass_by()
        return Answer(answer.status, {"content-type": "text/xml"}, ElementTree.tostring(root))

    def _changed(self, form: dict[str, str], root: ElementTree.Element) -> None:
        """An answer as EC2's would be."""
        if form["Action"] == "CreateSnapshots" and self.unlisted:
            self.late |= {one.text or "": self.unlisted for one in root.iter(f"{_N}snapshotId")}
        if form["Action"] == "DescribeSnapshots":
            self._snapshots(form, root)
        for name, address in ADDRESSES:
            for one in root.iter(f"{_N}{name}"):
                one.text = address

    def _snapshots(self, form: dict[str, str], root: ElementTree.Element) -> None:
        listed = root.find(f"{_N}snapshotSet")
        assert listed is not None
        for item in list(listed):
            key = item.findtext(f"{_N}snapshotId") or ""
            if key in self.late:
                listed.remove(item)
                continue
            state, why = self.states.get(key, ("pending", ""))
            _set(item, "status", state)
            _set(item, "progress", {"completed": "100%", "pending": self.progress}.get(state, ""))
            _set(item, "statusMessage", why)
        first = int(form.get("NextToken", 0))
        last = first + min(int(form.get("MaxResults", 1_000)), self.page)
        if last < len(listed):
            ElementTree.SubElement(root, f"{_N}nextToken").text = str(last)
        listed[:] = listed[first:last]

    def _pass_by(self) -> None:
        """One request later."""
        self.late = {key: left - 1 for key, left in self.late.items() if left > 0}
        for key, left in list(self.leaving.items()):
            self.leaving[key] = left - 1
            if left <= 0:
                del self.leaving[key]
                self.ask("DeleteSnapshot", SnapshotId=key)

    def _forward(self, headers: dict[str, str], body: bytes) -> Answer:
        passed = {"authorization", "content-type", "x-amz-date"}
        kept = [(name, value) for name, value in headers.items() if name in passed]
        return curl.send("POST", f"http://127.0.0.1:{self.moto}/", kept, body)


_HEADERS = {
    "authorization": f"AWS4-HMAC-SHA256 {_SCOPE}",
    "content-type": "application/x-www-form-urlencoded",
}


def error(status: int, code: str, message: str) -> Answer:
    """EC2's no."""
    clean = re.sub("[^\n\x20-\x7e]", "", message).replace("&", "&amp;").replace("<", "&lt;")
    told = f"<Code>{code}</Code><Message>{clean}</Message>"
    body = f"<Response><Errors><Error>{told}</Error></Errors><RequestID>1</RequestID></Response>"
    return Answer(status, {"content-type": "text/xml"}, body.encode())


def _said(text: str) -> Answer:
    return Answer(200, {"content-type": "text/xml"}, text.encode())


def _set(item: ElementTree.Element, name: str, text: str) -> None:
    found = item.find(f"{_N}{name}")
    if found is None:
        found = ElementTree.SubElement(item, f"{_N}{name}")
    found.text = text


@contextmanager
def running() -> Iterator[FakeEc2]:
    """Moto, with nothing in it, and the gate before it."""
    port = free_port()
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # Its hundreds of images, each with a snapshot, make every list slow.
    settings = {"PATH": os.environ["PATH"], "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    command = [PROGRAM, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=settings, **quiet)
    try:
        wait_for(port)
        with serving(FakeEc2(moto=port)) as gate:
            yield gate
    finally:
        process.kill()
        process.wait()
