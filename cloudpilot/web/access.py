"""Who is here, and what they may do: the one place where a request is let in.

A view says `@public` or `@needs(Right.X)`. One that says neither is open to nobody.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

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

from cloudpilot.db import reading
from cloudpilot.domain import audit
from cloudpilot.domain.audit import Action, Actor, Subject
from cloudpilot.domain.people import Person, Right
from cloudpilot.errors import NotAllowed
from cloudpilot.web.htmx import is_htmx

PUBLIC = "public"
View = TypeVar("View", bound=Callable[..., Any])


class Visitor(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """Somebody who has signed in, as Flask-Login wants them.

    The id in the cookie holds a trace of the password's hash: a new password ends old sessions.
    """

    def __init__(self, person: Person) -> None:
        self.person = person

    def get_id(self) -> str:
        """What the cookie says."""
        trace = hashlib.sha256(self.person.password_hash.encode()).hexdigest()[:16]
        return f"{self.person.id}.{trace}"


def public(view: View) -> View:
    """Everybody may."""
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def needs(right: Right) -> Callable[[View], View]:
    """Only who has signed in and has that right may."""

    def mark(view: View) -> View:
        view.access = right  # type: ignore[attr-defined]
        return view

    return mark


def me() -> Person:
    """Who asks; only in views that need a right."""
    person: Person = g.me
    return person


def actor() -> Actor:
    """Who asks, for the audit log."""
    address = request.remote_addr or ""
    return Actor(me().email, me().id, address)


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


def enter(person: Person) -> None:
    """Begin a session for this person: nothing of an earlier one is kept."""
    session.clear()
    session.permanent = True  # until PERMANENT_SESSION_LIFETIME has passed
    login_user(Visitor(person))


def leave() -> None:
    """End the session."""
    logout_user()
    session.clear()


def register(app: Flask) -> None:
    """Stand before every view of `app`."""
    manager = LoginManager()
    manager.session_protection = None  # a phone changes its address; the cookie is Secure
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_visitor)
    app.before_request(_guard)
    app.context_processor(lambda: {"me": g.get("me"), "Right": Right})


def _visitor(cookie_id: str) -> Visitor | None:
    try:
        person_id = UUID(cookie_id.partition(".")[0])
    except ValueError:
        return None
    with reading() as database:
        person = database.get(Person, person_id)
    if person is None or person.disabled_at:
        return None
    visitor = Visitor(person)
    return visitor if visitor.get_id() == cookie_id else None


def _guard() -> BaseResponse | None:
    if request.endpoint == "static":
        return None
    g.me = current_user.person if current_user.is_authenticated else None
    access = access_of(request.endpoint)
    if request.endpoint is None or access == PUBLIC:
        return None
    if g.me is None:
        return _to_sign_in()
    if access is None or not g.me.may(access):
        raise NotAllowed(f"As {g.me.role} you may not do this.")
    return None


def access_of(endpoint: str | None) -> Any:
    """What the view behind `endpoint` asks for: PUBLIC, a Right, or None if it does not say."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, "access", None)


def _to_sign_in() -> BaseResponse:
    """A poll is told in a way that htmx follows; it must not swap a sign-in page into a table."""
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": url_for("sign_in.show")})
    back = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else None
    return redirect(url_for("sign_in.show", next=None if back == "/" else back), 303)
