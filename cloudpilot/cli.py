"""Commands of `flask --app wsgi …`: migrations, and the set-up code."""

import secrets as randomness
from pathlib import Path

import click
from flask import Flask, current_app
from flask_migrate import Migrate

from cloudpilot.db import db, transaction
from cloudpilot.domain import people
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings

CODE_BYTES = 12
MIGRATIONS = str(Path(__file__).parent / "migrations")


def register(app: Flask) -> None:
    """Make the commands known: `db` is Flask-Migrate's."""
    Migrate(app, db, directory=MIGRATIONS, render_as_batch=True)
    app.cli.add_command(setup_code)


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
