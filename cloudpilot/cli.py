"""Commands of `flask --app wsgi …`: migrations, and the set-up code."""

import secrets as randomness
from pathlib import Path

import click
from flask import Flask, current_app
from flask_migrate import Migrate

from cloudpilot.db import db, transaction
from cloudpilot.domain import people
from cloudpilot.jobs import sealing
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings

CODE_BYTES = 12
MIGRATIONS = str(Path(__file__).parent / "migrations")


def register(app: Flask) -> None:
    """Make the commands known: `db` is Flask-Migrate's."""
    Migrate(app, db, directory=MIGRATIONS, render_as_batch=True)
    app.cli.add_command(setup_code)
    app.cli.add_command(reseal)


@click.command("setup-code")
def setup_code() -> None:
    """Print a new code that creates the owner; nothing once there is an owner.

    Part of the release phase. With CLOUDPILOT_SETUP_CODE that code is used, and not printed.
    """
    settings: Settings = current_app.extensions["settings"]
    code = settings.setup_code or Secret(randomness.token_urlsafe(CODE_BYTES))
    with transaction() as session:
        if people.has_owner(session):
            return
        people.replace_setup_code(session, code)
    if settings.setup_code is None:
        click.echo(code.reveal())


@click.command("reseal")
def reseal() -> None:
    """Seal under the newest secret key what an older one has sealed; then old keys can go.

    Fails if something opens with none of the keys; that is named, and stays as it is.
    """
    outcome = sealing.seal_anew()
    click.echo(f"{outcome.done} sealed anew.")
    if outcome.stuck:
        raise click.ClickException(f"No key opens {', '.join(outcome.stuck)}.")
    click.echo("All that is sealed opens with CLOUDPILOT_SECRET_KEY alone.")
