"""Exports as files: nothing of one is shown or sent before it is whole."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

from cloudpilot.errors import ExportFailed, ExportPathWrong
from cloudpilot.exports.writing import For, Written, write
from cloudpilot.secrets import Sealer

FULL = {errno.ENOSPC, errno.EDQUOT}


def name(made_at: datetime) -> str:
    """What a file is called that was made then.

    >>> name(datetime(2026, 11, 29, 8, 0))
    'cloudpilot-20261129-080000Z.age'
    """
    return f"cloudpilot-{made_at:%Y%m%d-%H%M%S}Z.age"


def spooled(engine: Engine, sealer: Sealer, whom: For) -> tuple[IO[bytes], Written]:
    """An export as a file without a name, at its beginning: it is gone once it is closed.

    Only what is encrypted touches the disk. Raises ExportFailed.
    """
    with _told():
        file = tempfile.TemporaryFile(prefix="cloudpilot-export-")  # noqa: SIM115  (it is handed on)
    try:
        with _told():
            written = write(engine, sealer, whom, file)
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, written


def saved(engine: Engine, sealer: Sealer, whom: For, to: Path) -> Written:
    """An export as a file for its owner alone, there once it is whole: until then the file that had
    its name is as it was. Raises ExportFailed; ExportPathWrong before anything is written."""
    draft = to.with_name(f"{to.name}.{os.getpid()}.part")
    try:
        if to.exists() and not to.is_file():
            raise ExportPathWrong(f"{to} is there, and is no file.")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if error.errno in FULL:
            raise _failed(error) from error
        raise ExportPathWrong(f"{to} cannot be written: {error.strerror}.") from error
    with _told():
        try:
            with os.fdopen(handle, "wb") as file:
                written = write(engine, sealer, whom, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(to)
        finally:
            draft.unlink(missing_ok=True)
    return written


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(error) from error


def _failed(error: OSError) -> ExportFailed:
    return ExportFailed(f"The export could not be written: {error.strerror}.")
