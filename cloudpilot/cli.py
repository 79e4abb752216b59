"""Commands of `flask --app wsgi …`: migrations, the set-up code, the way back in, new keys."""

import secrets as randomness
from pathlib import Path

import click
from flask import Flask, current_app, url_for
from flask_migrate import Migrate
from redis import RedisError

from cloudpilot import redis_server
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import audit, membership, passwords, people
from cloudpilot.domain.audit import Action
from cloudpilot.errors import CloudPilotError
from cloudpilot.jobs import sealing
from cloudpilot.secrets import Secret
from cloudpilot.settings import MisconfiguredError, Settings

CODE_BYTES = 12
MIGRATIONS = str(Path(__file__).parent / "migrations")


def register(app: Flask) -> None:
    """Make the commands known: `db` is Flask-Migrate's."""
    Migrate(app, db, directory=MIGRATIONS, render_as_batch=True)
    app.cli.add_command(setup_code)
    app.cli.add_command(reset_owner)
    app.cli.add_command(reseal)
    app.cli.add_command(redis_certificate)
    app.cli.add_command(check_redis)


@click.command("setup-code")
def setup_code() -> None:
    """Print a new code that creates the owner; nothing once there is an owner.

    Part of the release phase. With CLOUDPILOT_SETUP_CODE that code is used, and not printed.
    """
    settings: Settings = current_app.extensions["settings"]
    code = settings.setup_code or Secret(randomness.token_urlsafe(CODE_BYTES))
    with reading() as session:
        if people.has_owner(session):
            return
    code_hash = passwords.hashed(code)
    with transaction() as session:
        people.replace_setup_code(session, code_hash)
        audit.record(session, audit.COMMAND_LINE, Action.SETUP_CODE_MADE)
    if settings.setup_code is None:
        click.echo(code.reveal())


@click.command("reset-owner")
@click.argument("email", required=False)
def reset_owner(email: str | None) -> None:
    """Print a link that gives an owner a new password, good once and for a day.

    A disabled owner is let in again. If no owner can sign in any more, EMAIL becomes one.
    """
    by = audit.COMMAND_LINE
    try:
        with transaction() as session:
            person, token, restored = membership.rescue_owner(session, email)
            if restored:
                audit.record(session, by, Action.OWNER_RESTORED, person, name=person.email)
            audit.record(session, by, Action.RESET_LINK_MADE, person, name=person.email)
    except CloudPilotError as error:
        raise click.ClickException(str(error)) from error
    settings: Settings = current_app.extensions["settings"]
    with current_app.test_request_context():
        click.echo(settings.url.rstrip("/") + url_for("links.show", token=token.reveal()))


@click.command("reseal")
def reseal() -> None:
    """Seal under the newest secret key what an older one has sealed; then old keys can go.

    Fails if something opens with none of the keys; that is named, and stays as it is.
    """
    outcome = sealing.seal_anew()
    with transaction() as session:
        audit.record(
            session,
            audit.COMMAND_LINE,
            Action.SEALED_ANEW,
            done=outcome.done,
            stuck=list(outcome.stuck),
        )
    click.echo(f"{outcome.done} sealed anew.")
    if outcome.stuck:
        raise click.ClickException(f"No key opens {', '.join(outcome.stuck)}.")
    click.echo("All that is sealed opens with CLOUDPILOT_SECRET_KEY alone.")


@click.command("redis-certificate")
def redis_certificate() -> None:
    """Print what CLOUDPILOT_REDIS_CERTIFICATE can be set to, to trust what Redis shows now."""
    settings: Settings = current_app.extensions["settings"]
    if not settings.redis_url.startswith("rediss://"):
        raise click.ClickException("REDIS_URL is not rediss://…: there is no certificate.")
    try:
        click.echo(redis_server.shown(settings))
    except (OSError, RedisError) as error:
        raise click.ClickException(f"Redis does not answer: {error}") from error


@click.command("check-redis")
def check_redis() -> None:
    """Fail if Redis shows a certificate that is not trusted. Part of the release phase."""
    try:
        redis_server.check(current_app.extensions["settings"])
    except MisconfiguredError as fault:
        raise click.ClickException(str(fault)) from fault
