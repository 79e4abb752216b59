"""Fixtures that any test may ask for."""

pytest_plugins = [
    "tests.support.database",
    "tests.support.rows",
    "tests.support.sshd",
    "tests.support.together",
    "tests.support.world",
]
