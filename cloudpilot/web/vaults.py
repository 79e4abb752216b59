"""Vaults: the list, a new one, and the page that says what one holds and whether it works."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    audit,
    forgetting,
    keeping,
    vault_checks,
    vault_use,
    vaults,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.keeping import Kept
from cloudpilot.domain.people import Right
from cloudpilot.domain.runs import Run
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, VaultForgotten
from cloudpilot.jobs import lifecycle, queue
from cloudpilot.kinds import VaultKind
from cloudpilot.vaults import policies
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.checked import found_at
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.sealed import provider_of, sealer
from cloudpilot.web.forms.vaults import FORMS, ForgetForm, VaultForm
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("vaults", __name__, url_prefix="/vaults")


@bp.get("")
@needs(Right.VIEW)
def index() -> str:
    """All vaults: what is kept there, and what their last checks found."""
    with reading() as session:
        rows, kept = vaults.listed(session), keeping.kept(session, Copy.vault_id)
        troubles = {one.of.id: one for one in vault_checks.troubles(session)}
    return render_template(
        "vaults/index.html", vaults=rows, kept=kept, nothing=Kept(), troubles=troubles
    )


@bp.route("/new", methods=["GET", "POST"])
@needs(Right.VAULTS)
def new() -> BaseResponse:
    """Add a vault: first the question whose store it is in, then its fields."""
    kind = provider_of(VaultKind)
    if kind is None:
        return Response(render_template("vaults/choose.html", kinds=list(FORMS)))
    form = FORMS[kind]()
    return sent(form, lambda: _add(form)) or page("vaults/new.html", form, kind=kind)


@bp.get("/<uuid:vault_id>")
@needs(Right.VIEW)
def show(vault_id: UUID) -> str:
    """One vault: its check, what is kept there, the least rights of its key, its last runs."""
    with reading() as session:
        vault = vaults.find(session, vault_id)
        context = _checked(session, vault) | {
            "kept": keeping.kept(session, Copy.vault_id).get(vault_id, Kept()),
            "sites": vault_use.sites(session, vault),
            "copies": keeping.copies(session, Copy.vault_id, vault_id),
            "runs": keeping.runs(session, Run.vault_id, vault_id),
        }
    policy = policies.of(vault.kind, vault.bucket, vault.prefix, vault.key_id)
    return render_template("vaults/show.html", policy=policy, **watched(context, "checking"))


@bp.get("/<uuid:vault_id>/checkup")
@needs(Right.VIEW)
def checkup(vault_id: UUID) -> Response:
    """What the check is doing or has found, alone."""
    with reading() as session:
        context = _checked(session, vaults.find(session, vault_id))
    return live("checked/_checkup.html", **watched(context, "checking"))


@bp.post("/<uuid:vault_id>/check")
@needs(Right.VAULTS)
def check(vault_id: UUID) -> BaseResponse:
    """Do there once what a backup will do."""
    with transaction() as session:
        vault = vaults.find(session, vault_id)
        queue.ring(session, vault_checks.ask(session, vault, me()))
        note(session, Action.VAULT_CHECKED, vault)
    return redirect(url_for(".show", vault_id=vault_id), 303)


@bp.route("/<uuid:vault_id>/edit", methods=["GET", "POST"])
@needs(Right.VAULTS)
def edit(vault_id: UUID) -> BaseResponse:
    """Change a vault; what lies there stays where it is."""
    with reading() as session:
        vault = vaults.find(session, vault_id)
        holds = vault_use.of(session, vault).holds
    form = FORMS[vault.kind].of(vault)
    if holds:
        form.pin()
    return sent(form, lambda: _change(form, vault_id)) or page(
        "vaults/edit.html", form, vault=vault, kind=vault.kind, holds=holds
    )


@bp.route("/<uuid:vault_id>/remove", methods=["GET", "POST"])
@needs(Right.VAULTS)
def remove(vault_id: UUID) -> BaseResponse:
    """Ask once more, then forget a vault and its secret; one that is in use says by what."""
    with reading() as session:
        vault = vaults.find(session, vault_id)
        use = vault_use.of(session, vault)
        copies = keeping.copies(session, Copy.vault_id, vault_id)
    form = Form()

    def act() -> str:
        with transaction() as session:
            row = vaults.locked(session, vault_id)
            vault_use.remove(session, row)
            note(session, Action.VAULT_REMOVED, row)
        return url_for(".index")

    return sent(form, act) or page(
        "vaults/remove.html", form, vault=vault, use=use, copies=copies, run=use.run
    )


@bp.route("/<uuid:vault_id>/forget", methods=["GET", "POST"])
@needs(Right.VAULTS, Right.FORGET)
def forget(vault_id: UUID) -> BaseResponse:
    """Say what is lost, then leave a vault that nobody can empty any more."""
    with reading() as session:
        vault = vaults.find(session, vault_id)
        use, loss = vault_use.of(session, vault), forgetting.loss(session, vault)
    form = ForgetForm()

    def act() -> str:
        with transaction() as session:
            row = vaults.locked(session, vault_id)
            lost = [str(backup.id) for backup in forgetting.loss(session, row).lost]
            ending = forgetting.forget(session, row, form.typed.data or "")
            note(session, Action.VAULT_FORGOTTEN, row, bucket=row.bucket, lost=lost)
        for run_id in ending:
            lifecycle.fail(run_id, VaultForgotten(forgetting.WHY))
        return url_for(".index")

    return sent(form, act) or page("vaults/forget.html", form, vault=vault, use=use, loss=loss)


def _add(form: VaultForm) -> str:
    with transaction() as session:
        vault = vaults.add(session, sealer(), form.new_secret(), form.chosen())
        note(session, Action.VAULT_ADDED, vault, kind=vault.kind, bucket=vault.bucket)
        _check_too(session, vault)
    return url_for(".show", vault_id=vault.id)


def _change(form: VaultForm, vault_id: UUID) -> str:
    with transaction() as session:
        vault = vaults.locked(session, vault_id)
        secret, values = form.typed_secret(), form.chosen()
        changed = audit.changes(vault, values)
        holds = vault_use.of(session, vault).holds
        is_other = vaults.change(session, vault, sealer(), secret, values, is_used=holds)
        also: dict[str, Any] = {"changes": changed} | ({"new_secret": "yes"} if secret else {})
        note(session, Action.VAULT_CHANGED, vault, **also)
        if is_other:
            _check_too(session, vault)
    return url_for(".show", vault_id=vault_id)


def _check_too(session: Session, vault: Vault) -> None:
    """Say at once whether it works; a check that is under way sees that it is another one now."""
    with suppress(BackupInProgress):
        queue.ring(session, vault_checks.ask(session, vault, me()))


def _checked(session: Session, vault: Vault) -> dict[str, Any]:
    run = vault_checks.latest(session, vault.id)
    return {"vault": vault, "run": run, **found_at(vault, "vault")}
