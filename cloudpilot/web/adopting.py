"""Adopting: backups in a vault that the panel does not know are looked for, and listed."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot import recovery
from cloudpilot.db import reading, transaction
from cloudpilot.domain import adopted, searches, vaults, vouching
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.domain.vaults import Vault
from cloudpilot.jobs import queue
from cloudpilot.web import limits, step_up
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.recovery import SignaturesForm
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("adopting", __name__, url_prefix="/vaults/<uuid:vault_id>/adopt")


@bp.route("", methods=["GET", "POST"])
@needs(Right.VAULTS)
def show(vault_id: UUID) -> BaseResponse:
    """What a search does, how it goes and what it has found."""
    form = Form()

    def act() -> str:
        with transaction() as session:
            vault = vaults.find(session, vault_id)
            queue.ring(session, searches.ask(session, vault, me()))
            note(session, Action.VAULT_SEARCHED, vault)
        return url_for(".show", vault_id=vault_id)

    return sent(form, act) or _page(vault_id, form)


@bp.get("/progress")
@needs(Right.VAULTS)
def progress(vault_id: UUID) -> Response:
    """How the search goes, alone."""
    with reading() as session:
        context = _searched(session, vaults.find(session, vault_id))
    return live("adopting/_search.html", **watched(context, "looking"))


@bp.post("/signatures")
@needs(Right.VAULTS)
@limits.attempts
def compare(vault_id: UUID) -> BaseResponse:
    """Compare the signatures of what was found with a recovery key, which is not kept."""
    form = SignaturesForm(prefix="compare")
    return sent(form, lambda: _compare(form, vault_id)) or _page(vault_id, form)


def _compare(form: SignaturesForm, vault_id: UUID) -> str:
    step_up.prove(form.password.value, "recovery key")
    key = recovery.manifest_key(form.key.value.secret)
    with transaction() as session:
        vault = vaults.find(session, vault_id)
        signed, left = vouching.judge_all(session, vault_id, key)
        note(session, Action.SIGNATURES_COMPARED, vault, signed=signed, unverified=left)
    return url_for(".show", vault_id=vault_id)


def _page(vault_id: UUID, form: Form) -> Response:
    with reading() as session:
        vault = vaults.find(session, vault_id)
        context = _searched(session, vault) | {"adopted": adopted.by_server(session, vault_id)}
    comparing = form if isinstance(form, SignaturesForm) else SignaturesForm(None, prefix="compare")
    return page("adopting/show.html", form, comparing=comparing, **watched(context, "looking"))


def _searched(session: Session, vault: Vault) -> dict[str, Any]:
    run = searches.latest(session, vault.id)
    reached = searches.progress(run) if run else searches.Progress()
    return {"vault": vault, "run": run, "reached": reached}
