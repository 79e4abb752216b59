"""Who is here, and what they may do: the one place where a request is let in.

A view says `@public` or `@needs(Right.X)`. One that says neither is open to nobody.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, redirect, request, session, url_for
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, rest, sessions
from cloudpilot.domain.audit import Action, Actor, Subject
from cloudpilot.domain.people import Person, Right
from cloudpilot.domain.sessions import SignedIn
from cloudpilot.errors import NotAllowed, NotFound
from cloudpilot.secrets import Secret
from cloudpilot.text import has_controls
from cloudpilot.web.htmx import is_htmx

PUBLIC = "public"
View = TypeVar("View", bound=Callable[..., Any])


class Visitor(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """Somebody who has signed in, as Flask-Login wants them. The cookie holds a token, no name."""

    is_at_rest = False  # whether the panel that they visit is

    def __init__(self, token: str, row: SignedIn | None = None, person: Person | None = None):
        self.token, self.row, self.person = token, row, person

    def get_id(self) -> str:
        """What the cookie says."""
        return self.token


def public(view: View) -> View:
    """Everybody may."""
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def needs(*rights: Right) -> Callable[[View], View]:
    """Only who has signed in and has all of these rights may."""

    def mark(view: View) -> View:
        view.access = frozenset(rights)  # type: ignore[attr-defined]
        return view

    return mark


def me() -> Person:
    """Who asks; only in views that need a right."""
    person: Person = g.me
    return person


def my_session() -> SignedIn:
    """The session in which this is asked; only in views that need a right."""
    row: SignedIn = g.signed_in
    return row


def address() -> str:
    """Where on the network the visitor is."""
    return request.remote_addr or ""


def actor(person: Person | None = None) -> Actor:
    """Who asks, for the audit log; `person` where nobody has signed in yet."""
    who = person or me()
    return Actor(who.email, who.id, address())


def note(
    database: Session,
    action: Action,
    about: Subject | None = None,
    *,
    name: str | None = None,
    **details: Any,
) -> None:
    """Write into the audit log what this visitor does, in the transaction that does it."""
    audit.record(database, actor(), action, about, name=name, **details)


def admit(database: Session, person: Person) -> Secret:
    """Begin a session of this person, and end the one that their browser had."""
    if g.signed_in:
        _end(database)
    token = sessions.begin(database, person, address(), request.user_agent.string)
    audit.record(database, actor(person), Action.SIGNED_IN, person, name=person.email)
    return token


def enter(token: Secret) -> None:
    """Hand the new session's token to the browser: nothing of an earlier one is kept there."""
    session.clear()
    session.permanent = True  # until PERMANENT_SESSION_LIFETIME has passed
    login_user(Visitor(token.reveal()))


def leave() -> None:
    """End the session, if there is one."""
    if g.signed_in:
        with transaction() as database:
            _end(database)
            note(database, Action.SIGNED_OUT, g.me, name=g.me.email)
    logout_user()
    session.clear()


def _end(database: Session) -> None:
    with suppress(NotFound):  # a new password, or somebody else, has just ended it
        sessions.end(database, g.me.id, g.signed_in.id)


def register(app: Flask) -> None:
    """Stand before every view of `app`."""
    manager = LoginManager()
    manager.session_protection = None  # a phone changes its address; the cookie is Secure
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_visitor)
    app.before_request(_guard)
    app.context_processor(
        lambda: {"me": g.get("me"), "Right": Right, "is_at_rest": g.get("is_at_rest", False)}
    )


def _visitor(token: str) -> Visitor | None:
    with reading() as database:
        found = sessions.of_token(database, token)
        is_at_rest = rest.is_at_rest(database) if found else False
    visitor = Visitor(token, *found) if found else None
    if visitor:
        visitor.is_at_rest = is_at_rest
    return visitor


def _guard() -> BaseResponse | None:
    if request.endpoint == "static":
        return None
    visitor = current_user if current_user.is_authenticated else Visitor("")
    g.me, g.signed_in, g.is_at_rest = visitor.person, visitor.row, visitor.is_at_rest
    _notice()
    access = access_of(request.endpoint)
    if request.endpoint is None or access == PUBLIC:
        return None
    if g.me is None:
        return _to_sign_in()
    if not access or not all(map(g.me.may, access)):
        raise NotAllowed(f"As {g.me.role} you may not do this.")
    return None


def _notice() -> None:
    """Write down that somebody is there, at most once a minute."""
    if g.signed_in and _by_a_person() and sessions.is_stale(g.signed_in):
        with transaction() as database:
            sessions.saw(database, g.signed_in)


def _by_a_person() -> bool:
    """Neither a poll nor a page that loads itself anew: those must not keep a session alive.

    Browsers say so of what is loaded again; and of what somebody has clicked, where they trust the
    address. Where they say nothing, it is taken for a person.
    """
    if request.method not in {"GET", "HEAD"}:
        return True
    again = request.cache_control.max_age == 0 or request.cache_control.no_cache
    unasked = "Sec-Fetch-Mode" in request.headers and "Sec-Fetch-User" not in request.headers
    return not (is_htmx() or again or unasked)


def access_of(endpoint: str | None) -> Any:
    """What the view behind `endpoint` asks for: PUBLIC, rights, or None if it says nothing."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, "access", None)


def _to_sign_in() -> BaseResponse:
    """A poll is told in a way that htmx follows; it must not swap a sign-in page into a table."""
    if is_htmx():
        page = request.headers.get("HX-Current-URL", "").partition("#")[0]
        back = own_path(re.sub(r"^https?://[^/?]*", "", page))
        return Response(status=401, headers={"HX-Redirect": _sign_in(back)})
    back = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else None
    return redirect(_sign_in(back), 303)


def _sign_in(back: str | None) -> str:
    return url_for("sign_in.show", next=None if back == "/" else back)


def own_path(text: str | None) -> str | None:
    """`text` if it is a path of this panel, else None.

    >>> own_path("/backups?page=2"), own_path("//evil.example"), own_path("/\\\\evil.example")
    ('/backups?page=2', None, None)
    """
    if not text or not text.startswith("/") or text.startswith("//"):
        return None
    return None if "\\" in text or has_controls(text) else text
