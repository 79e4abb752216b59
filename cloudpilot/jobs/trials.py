"""The small objects of checks of vaults: each is written down before it is written there, so that
the next check can remove what one that was cut off has left.

Nothing is removed because a list has it: other panels may keep backups, and check, in that bucket.
"""

import logging

from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs, vault_checks
from cloudpilot.domain.runs import Run
from cloudpilot.errors import CloudPilotError
from cloudpilot.jobs import emptying
from cloudpilot.vaults import checks
from cloudpilot.vaults.base import Vault

log = logging.getLogger(__name__)

LEFT_AT_MOST = 20  # that one check looks for, the newest


def begin(run: Run) -> str:
    """The key of what this run's check writes, written down."""
    key = checks.new_key()
    with transaction() as session:
        vault_checks.note_trial(runs.find(session, run.id), key)
    return key


def end(run: Run, key: str) -> None:
    """Nothing of it is there any more."""
    with transaction() as session:
        vault_checks.forget_trial(runs.find(session, run.id), key)


def remove_left(vault: Vault, run: Run) -> None:
    """Remove what earlier checks of this vault, or this one before its job was killed, have left.

    What cannot be removed now is tried again by the next check.
    """
    with reading() as session:
        left = vault_checks.trials(session, run.vault_id, LEFT_AT_MOST)
    for of, key in left:
        if not checks.is_key(key):
            continue
        try:
            if emptying.sweep(vault, f"{key}/"):
                log.info("%s: removed, left by a check that was cut off", key)
        except CloudPilotError as error:
            log.warning("%s: may be left by a check: %s", key, error)
        else:
            end(of, key)
