"""What is true and what is allowed: rows and rules, no network."""


def load() -> None:
    """Make every table known to the metadata."""
    from cloudpilot.domain import backups, servers, sites  # noqa: F401, PLC0415
