"""Bytes of stored archives while they come, from archives of every format ever written."""

import gzip
import shutil
from pathlib import Path

import pytest

from cloudpilot.domain.cuts import cuts, ranges
from cloudpilot.domain.index import Index
from cloudpilot.downloads import content
from cloudpilot.engine import fetching
from cloudpilot.engine.fetching import Stored
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import ChecksumMismatch
from cloudpilot.kinds import Compression
from tests.engine.test_golden import GOLDEN


@pytest.mark.parametrize(
    ("name", "compression"),
    [("v1.tar.gz", Compression.GZIP), ("v1.tar.zst", Compression.ZSTD)],
)
def test_each_file_is_cut_out_on_the_server(
    session: Session, tmp_path: Path, name: str, compression: Compression
) -> None:
    (tmp_path / "b1").mkdir()
    archive = Path(shutil.copy(GOLDEN / name, tmp_path / "b1"))
    size = archive.stat().st_size
    index = Index(None, size)
    text = gzip.decompress((GOLDEN / f"{name}.index.gz").read_bytes()).decode()
    files = [one for one in index.entries(text.splitlines()) if one.type == "0"]
    stored = Stored(str(tmp_path), "b1", name, size)
    for one in files:
        wanted = [cut.numbers() for cut in cuts(index.pieces, ranges([one]))]
        tar = fetching.read_tar(session, stored, compression, wanted)
        given = b"".join(content.of(one, tar))
        assert len(given) == one.size
    assert len(files) >= 3
    damaged = bytearray(archive.read_bytes())
    damaged[size // 2] ^= 16
    archive.write_bytes(damaged)
    with pytest.raises(ChecksumMismatch):
        b"".join(fetching.read_tar(session, stored, compression, wanted))
