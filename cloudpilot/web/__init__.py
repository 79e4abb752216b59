"""Pages and fragments: they ask the database, never a server or a cloud."""

from flask import Flask
from flask_wtf import CSRFProtect  # type: ignore[import-untyped]
from htmx_flask import Htmx
from werkzeug.middleware.proxy_fix import ProxyFix

from cloudpilot.settings import Settings
from cloudpilot.web import (
    access,
    account,
    adopting,
    audit,
    backups,
    checkups,
    clouds,
    databases,
    deletions,
    downloads,
    files,
    filters,
    health,
    hostkeys,
    invitations,
    keys,
    limits,
    links,
    machines,
    metrics,
    overview,
    people,
    privileges,
    problems,
    pulse,
    recovery,
    removals,
    restores,
    retention,
    runs,
    schedules,
    security,
    servers,
    setup,
    sign_in,
    sites,
    snapshots,
    status,
    uninstall,
    uploads,
    vaults,
)

BLUEPRINTS = (
    setup.bp,
    sign_in.bp,
    overview.bp,
    servers.bp,
    checkups.bp,
    hostkeys.bp,
    keys.bp,
    privileges.bp,
    uninstall.bp,
    sites.bp,
    databases.bp,
    vaults.bp,
    adopting.bp,
    clouds.bp,
    machines.bp,
    removals.bp,
    schedules.bp,
    status.bp,
    backups.bp,
    deletions.bp,
    retention.bp,
    snapshots.bp,
    downloads.bp,
    restores.bp,
    files.bp,
    uploads.bp,
    runs.bp,
    account.bp,
    people.bp,
    invitations.bp,
    links.bp,
    audit.bp,
    recovery.bp,
    health.bp,
    metrics.bp,
    pulse.bp,
)


def register(app: Flask) -> None:
    """Give `app` its pages, and everything that stands before them."""
    settings: Settings = app.extensions["settings"]
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies
        )
    security.register(app, settings)
    filters.register(app)
    access.register(app)  # who may do it is asked before the form's token is looked at
    CSRFProtect(app)
    Htmx(app)
    problems.register(app)
    pulse.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    limits.register(app, settings)
