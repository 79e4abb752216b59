"""Forms about people: who sets the panel up, who signs in."""

import re

from wtforms import EmailField, HiddenField, PasswordField

from cloudpilot.domain.people import PASSWORD_LENGTH, PASSWORD_LENGTH_AT_MOST
from cloudpilot.domain.servers import valid_name
from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret
from cloudpilot.text import has_controls
from cloudpilot.web.forms import Checked, Form, Text

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


class Email(Checked, EmailField):
    """An address."""


class Password(Checked, PasswordField):
    """A password; never shown again."""


def valid_email(text: str) -> str:
    """An address that mail could go to; raises InvalidConfig."""
    email = text.strip()
    if not _EMAIL.fullmatch(email) or has_controls(email):
        raise InvalidConfig("Give an e-mail address, for example ada@example.com.")
    return email


def valid_new_password(text: str) -> Secret:
    """A password of the length we ask for; raises InvalidConfig."""
    if not PASSWORD_LENGTH <= len(text) <= PASSWORD_LENGTH_AT_MOST:
        raise InvalidConfig(f"A password has at least {PASSWORD_LENGTH} characters.")
    return Secret(text)


class SetupForm(Form):
    """Who owns the panel."""

    code = Text("Set-up code", lambda text: Secret(text.strip()))
    name = Text("Your name", valid_name)
    email = Email("E-mail address", valid_email)
    password = Password(
        "Password", valid_new_password, hint=f"At least {PASSWORD_LENGTH} characters."
    )


class SignInForm(Form):
    """Who is it?"""

    email = Email("E-mail address", str.strip)
    password = Password("Password", Secret)
    next = HiddenField()
