"""Who has signed in says once more who they are, before what a borrowed browser must not do."""

from cloudpilot.db import transaction
from cloudpilot.domain import attempts, passwords, people
from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret
from cloudpilot.web import limits
from cloudpilot.web.access import me


def prove(password: Secret, door: str) -> None:
    """Go on only if it is this person's password; raises InvalidConfig, TooManyAttempts.

    door  what it was asked for, for the audit log
    """
    attempt = limits.attempt(me().email)
    if not passwords.matches(me().password_hash, password):
        limits.refused(attempt, me(), door=door)
        raise InvalidConfig("The password that you gave as yours is wrong.")
    with transaction() as session:
        if people.unchanged(session, me()) is None:
            raise InvalidConfig("Your password was changed a moment ago.")
        attempts.was_right(session, attempt)
