"""Forms of the recovery key: who asks, and whether they have it."""

from wtforms import BooleanField
from wtforms.validators import InputRequired

from cloudpilot import recovery
from cloudpilot.secrets import Secret
from cloudpilot.web.forms import Form, Text
from cloudpilot.web.forms.people import Password


class ProofForm(Form):
    """Who asks says so with their password."""

    password = Password("Your password", Secret)


class SignaturesForm(ProofForm):
    """The recovery key of a panel that is gone, for one look."""

    key = Password("Recovery key of the panel that made them", recovery.read)


class BeginForm(ProofForm):
    """The old panel is gone."""

    gone = BooleanField("The old panel is gone for good", validators=[InputRequired()])


class EndingForm(Form):
    """Somebody has the key: they type its end."""

    ending = Text(f"The last {recovery.ENDING} characters of the key", recovery.typed_ending)
