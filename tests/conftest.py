"""Fixtures that any test may ask for."""

pytest_plugins = [
    "tests.support.database",
    "tests.support.databases",
    "tests.support.long",
    "tests.support.rows",
    "tests.support.sshd",
    "tests.support.stores",
    "tests.support.time",
    "tests.support.together",
    "tests.support.tools",
    "tests.support.world",
]
