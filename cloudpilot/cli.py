"""Commands of `flask --app wsgi …`: migrations, the set-up code, ways back in, new keys."""

import secrets as randomness
import shutil
import sys
from pathlib import Path
from typing import IO, Any

import click
from flask import Flask, current_app, url_for
from flask_migrate import Migrate
from redis import RedisError
from sqlalchemy.exc import OperationalError, ProgrammingError

from cloudpilot import recovery, redis_server
from cloudpilot.db import MIGRATIONS, db, lacks_tables, reading, transaction
from cloudpilot.domain import audit, membership, passwords, people
from cloudpilot.domain.audit import Action
from cloudpilot.errors import CloudPilotError
from cloudpilot.exports import files, loading, writing
from cloudpilot.exports.writing import Written
from cloudpilot.jobs import sealing
from cloudpilot.redaction import redacted
from cloudpilot.secrets import Sealer, Secret
from cloudpilot.settings import MisconfiguredError, Settings

CODE_BYTES = 12


class _Command(click.Command):
    """What a database has against it is said in one sentence, as an error of the command."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (OperationalError, ProgrammingError) as error:
            if lacks_tables(error):
                first = "The database lacks tables: first run `flask --app wsgi db upgrade`."
                raise click.ClickException(first) from error
            if isinstance(error, OperationalError):
                raise refused(error) from error
            raise


def refused(error: OperationalError) -> click.ClickException:
    """The database cannot be reached, or does not do what it should; without its password."""
    settings: Settings = current_app.extensions["settings"]
    first = str(error.orig).strip().partition("\n")[0]
    return click.ClickException(f"DATABASE_URL: {redacted(first, settings.secrets())}")


def register(app: Flask) -> None:
    """Make the commands known: `db` is Flask-Migrate's."""
    Migrate(app, db, directory=str(MIGRATIONS), render_as_batch=True)
    app.cli.add_command(setup_code)
    app.cli.add_command(reset_owner)
    app.cli.add_command(reseal)
    app.cli.add_command(redis_certificate)
    app.cli.add_command(check_redis)
    app.cli.add_command(export)
    app.cli.add_command(load)


@click.command("setup-code", cls=_Command)
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


@click.command("reset-owner", cls=_Command)
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


@click.command("reseal", cls=_Command)
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
    """Fail if Redis shows a certificate that is not trusted. Part of the release phase.

    One that does not answer is no failure: it may be back when the processes start, who wait.
    """
    try:
        trouble = redis_server.check(current_app.extensions["settings"])
    except MisconfiguredError as fault:
        raise click.ClickException(str(fault)) from fault
    if trouble:
        click.echo(f"{trouble}. The release goes on: all processes wait for it.", err=True)


@click.command("export", cls=_Command)
@click.argument("file", default="-")
def export(file: str) -> None:
    """Write all of the panel to FILE, or out with -, encrypted for its recovery key.

    A FILE that is there is replaced once the export is whole.
    """
    was_there = Path(file).is_file()
    try:
        written = _export(file)
    except CloudPilotError as error:
        raise _said(error) from error
    with transaction() as session:
        audit.record(session, audit.COMMAND_LINE, Action.PANEL_EXPORTED, rows=written.counts)
    click.echo(f"{sum(written.counts.values())} rows.", err=True)
    if was_there and file != "-":
        click.echo(f"{file} was there before: it has been replaced.", err=True)
    if written.stuck:
        click.echo(f"Left sealed, since no key opens it: {', '.join(written.stuck)}.", err=True)


def _export(file: str) -> Written:
    sealer: Sealer = current_app.extensions["sealer"]
    with reading() as session:
        whom = writing.whom(session, sealer)
    if file != "-":
        return files.saved(db.engine, sealer, whom, Path(file))
    if sys.stdout.isatty():
        raise click.ClickException("Name a FILE: what is encrypted is nothing for a screen.")
    # Whole before the first byte: whoever takes it slowly must keep no transaction open.
    whole, written = files.spooled(db.engine, sealer, whom)
    with whole:
        shutil.copyfileobj(whole, sys.stdout.buffer)
    return written


@click.command("import", cls=_Command)
@click.argument("file", type=click.File("rb"))
def load(file: IO[bytes]) -> None:
    """Bring back the panel that FILE is an export of; into an empty panel only.

    The recovery key is asked for, or read from the standard input. Nothing is done by itself
    before an owner has said that the old panel is gone.
    """
    sealer: Sealer = current_app.extensions["sealer"]
    is_piped = not sys.stdin.isatty()
    typed = sys.stdin.read() if is_piped else click.prompt("Recovery key", hide_input=True)
    try:
        key = recovery.read(typed)
        with transaction() as session:
            back = loading.load(session, sealer, key, file)
            by, made_at = audit.COMMAND_LINE, back.made_at.isoformat()
            audit.record(session, by, Action.PANEL_IMPORTED, made_at=made_at, panel=back.panel)
    except CloudPilotError as error:
        raise _said(error) from error
    click.echo(f"The panel is as it was on {back.made_at:%Y-%m-%d at %H:%M} UTC, and at rest:")
    click.echo("sign in as before, and say on the page Recovery that the old panel is gone.")


def _said(error: CloudPilotError) -> click.ClickException:
    return click.ClickException(f"{error} {error.remedy} [{error.code}]")
