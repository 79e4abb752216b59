"""What is true and what is allowed: rows and rules, no network."""


def load() -> None:
    """Make every table known to the metadata."""
    from cloudpilot.domain import (  # noqa: PLC0415
        attempts,  # noqa: F401
        audit,  # noqa: F401
        backups,  # noqa: F401
        databases,  # noqa: F401
        links,  # noqa: F401
        listings,  # noqa: F401
        objects,  # noqa: F401
        panel_exports,  # noqa: F401
        recovery,  # noqa: F401
        rest,  # noqa: F401
        restores,  # noqa: F401
        schedules,  # noqa: F401
        servers,  # noqa: F401
        sessions,  # noqa: F401
        sites,  # noqa: F401
        slots,  # noqa: F401
        status_address,  # noqa: F401
    )
