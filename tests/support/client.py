"""A person at the panel over real HTTP: sends the forms that the pages hold."""

import re
from collections.abc import Callable
from html import unescape
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class Stays(HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Client:
    """One browser, more or less; `heard` is told of every answer: path, headers and body."""

    def __init__(self, url: str, heard: Callable[[str, str, str], None]) -> None:
        self._url = url
        self._heard = heard
        self.cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self.cookies), Stays)

    def get(self, path: str, status: int = 200) -> str:
        """The page at `path`."""
        return self._ask(Request(f"{self._url}{path}"), path, status)[1]

    def send(self, path: str, page: str | None = None, status: int = 303, **fields: str) -> str:
        """Send a form with the token of the page it is on; returns where that leads.

        page  where the form is, if not at its own path
        """
        found = TOKEN.search(self.get(page or path))
        assert found, f"there is no form on {page or path}"
        data = urlencode({"csrf_token": unescape(found[1]), **fields}).encode()
        headers, body = self._ask(Request(f"{self._url}{path}", data), path, status)
        return headers["Location"] or body

    def _ask(self, request: Request, path: str, status: int) -> tuple[HTTPMessage, str]:
        try:
            answer = self._opener.open(request, timeout=20)
        except HTTPError as error:
            answer = error
        with answer:
            body = answer.read().decode()
            self._heard(path, str(answer.headers), body)
            assert answer.status == status, f"{path}: {answer.status}\n{body[:2000]}"
            return answer.headers, body
