"""Whether all is well, in one word: for monitors."""

from sqlalchemy.orm import Session

from cloudpilot.domain import failures, protection, scheduled
from cloudpilot.domain.protection import State

BAD = (State.LOST, State.FAILED)


def is_well(session: Session) -> bool:
    """No schedule is late, no site has lost its backups or failed last, nothing has failed lately
    to get to its vault, nor a backup of a server's own paths, without being made good."""
    if scheduled.late(session)[0] or failures.not_offsite(session, limit=1):
        return False
    if failures.not_made_good(session, limit=1):
        return False
    numbers = protection.numbers(protection.standings(session))
    return not any(numbers[state] for state in BAD)
