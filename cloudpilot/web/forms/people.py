"""Forms about people: who sets the panel up, who signs in, who may what."""

import re
from typing import Any

from wtforms import EmailField, HiddenField, PasswordField, SelectField

from cloudpilot.domain import passwords
from cloudpilot.domain.servers import valid_name
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret
from cloudpilot.text import has_controls
from cloudpilot.web.forms import Checked, Form, Text

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


class Email(Checked, EmailField):
    """An address."""


class Password(Checked, PasswordField):
    """A password; never shown again."""


def new_password(label: str) -> Password:
    """The field of a password that is chosen here."""
    return Password(label, passwords.valid, hint=f"At least {passwords.LENGTH} characters.")


class RoleField(SelectField):
    """One of the roles that somebody may give. What else is sent is said to be no choice."""

    def __init__(self, label: str, **options: Any) -> None:
        meaning = (
            "Viewers look. Members also back up, check and stop. Admins do everything but"
            " change what an owner is. Owners do everything."
        )
        super().__init__(label, description=meaning, coerce=Role, choices=[], **options)

    def offer(self, roles: list[Role]) -> None:
        """Let these be chosen."""
        self.choices = [(role.value, role.capitalize()) for role in roles]


def valid_email(text: str) -> str:
    """An address that mail could go to; raises InvalidConfig."""
    email = text.strip()
    if not _EMAIL.fullmatch(email) or has_controls(email):
        raise InvalidConfig("Give an e-mail address, for example ada@example.com.")
    return email


class SetupForm(Form):
    """Who owns the panel."""

    code = Text("Set-up code", lambda text: Secret(text.strip()))
    name = Text("Your name", valid_name)
    email = Email("E-mail address", valid_email)
    password = new_password("Password")


class SignInForm(Form):
    """Who is it?"""

    email = Email("E-mail address", str.strip)
    password = Password("Password", Secret)
    next = HiddenField()


class NameForm(Form):
    """What somebody is called."""

    name = Text("Name", valid_name)


class PasswordForm(Form):
    """A new password for who knows the old one."""

    old = Password("Password now", Secret)
    password = new_password("New password")


class RoleForm(Form):
    """What somebody may do."""

    role = RoleField("Role")


class InviteForm(Form):
    """Who is to come in, as what."""

    email = Email("E-mail address", valid_email)
    role = RoleField("Role")


class JoinForm(Form):
    """Who was invited says who they are."""

    name = Text("Your name", valid_name)
    password = new_password("Password")


class ResetForm(Form):
    """A new password for who was given a link."""

    password = new_password("New password")
