"""Tokens: what a provider gives for credentials, and takes with every request."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from cloudpilot import clock
from cloudpilot.clouds import refusals, rest
from cloudpilot.errors import CloudDenied
from cloudpilot.secrets import Secret

SPARE = 300  # seconds before its end in which a token is not used any more
_WHAT = "give a token for the credentials"


class Fixed:
    """A token that a person has entered."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def token(self) -> Secret:
        return self._secret

    def renew(self) -> bool:
        return False


class Granted:
    """Tokens by OAuth 2 (https://www.rfc-editor.org/rfc/rfc6749#section-4.4, and section 5 for the
    answers), kept until shortly before they end.

    url     that gives them
    form    what is sent there
    secret  that must be in no message
    """

    def __init__(
        self,
        brand: str,
        url: str,
        form: Callable[[], Mapping[str, str]],
        secret: Secret,
        *,
        private: bool,
    ) -> None:
        self._brand, self._url, self._form, self._secret = brand, url, form, secret
        self._wire = rest.wire(private=private)
        self._kept: tuple[Secret, datetime] | None = None

    def token(self) -> Secret:
        if self._kept is None or clock.now() >= self._kept[1]:
            self._kept = self._granted()
        return self._kept[0]

    def renew(self) -> bool:
        self._kept = None
        return True

    def _granted(self) -> tuple[Secret, datetime]:
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        body = urlencode(self._form()).encode()
        answer = self._wire.send("POST", self._url, headers, body)
        if answer.status in {400, 401, 403}:
            words = rest.words(rest.content(answer.body))
            raise CloudDenied(
                refusals.said(self._brand, answer.status, _WHAT, words, (self._secret,))
            )
        found = rest.judged(self._brand, _WHAT, answer, hidden=(self._secret,))
        with refusals.understood(self._brand, _WHAT):
            seconds = int(found["expires_in"])
            until = clock.now() + timedelta(seconds=max(seconds - SPARE, seconds // 2))
            return Secret(str(found["access_token"])), until
