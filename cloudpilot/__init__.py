"""CloudPilot: an agentless backup control panel. This page is the map.

    web          pages and fragments; asks the database; of servers and clouds only downloads
    cli          commands of `flask --app wsgi`
    embedded     the Redis of `make run`
    scheduling   the clock: what is due is rung for
    downloads    bytes on their way to a person, for two modules of web
    jobs         the only place where rows meet the network; what RQ calls
    exports      the panel's own backup: all of its rows, encrypted, and the way back
    domain       what is true and what is allowed: rows and rules, no network
    engine       a server, over SSH: commands, parsers, runs that outlive us
    vaults       object storage: signs, verifies, lists, deletes; reads what is small
    clouds       snapshots of whole servers, which their provider makes and keeps
    db           the database: sessions, transactions, types
    reports      the words that all share: how is the work going, what has a check found?
    keyfile      what Google calls a key, judged
    amazon       Amazon's library, held to our rules
    connections  how the providers' libraries connect: by outbound
    outbound     the only way to an address that somebody has typed
    excludes     what patterns mean, judged and said for tar
    catalogue    failures by their codes
    recovery     the recovery key, and what is encrypted for it
    settings options log text secrets kinds errors clock redaction     small basics

Imports point downwards in this list; domain, engine, vaults and clouds are strangers. The rules are
kept by import-linter, see pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from cloudpilot.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def create_core(settings: Settings) -> Flask:
    """The database, the queue and the keys, without pages: what a worker needs."""
    from flask import Flask  # noqa: PLC0415  (so that `import cloudpilot.errors` stays light)
    from redis import Redis  # noqa: PLC0415

    from cloudpilot import domain  # noqa: PLC0415
    from cloudpilot.db import db  # noqa: PLC0415
    from cloudpilot.secrets import Sealer  # noqa: PLC0415

    app = Flask(
        __name__,
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    # No parameters in messages: they are what logs must not tell (hashes, sealed keys).
    options: dict[str, Any] = {"pool_pre_ping": True, "hide_parameters": True}
    if not settings.database_url.startswith("sqlite"):
        options |= {"pool_size": 20, "max_overflow": 20}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    app.extensions["settings"] = settings
    app.extensions["sealer"] = Sealer(settings.secret_key, *settings.secret_keys_old)
    app.extensions["redis"] = Redis.from_url(
        settings.redis_url, socket_connect_timeout=3, health_check_interval=30
    )
    db.init_app(app)
    domain.load()
    return app


def create_app(settings: Settings) -> Flask:
    """The whole application."""
    from cloudpilot import cli, web  # noqa: PLC0415

    app = create_core(settings)
    web.register(app)
    cli.register(app)
    return app
