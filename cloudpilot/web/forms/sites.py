"""Forms about sites."""

from wtforms import SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.form import BaseForm

from cloudpilot.domain import sites
from cloudpilot.domain.servers import valid_name
from cloudpilot.kinds import Compression
from cloudpilot.web.forms import Form, Lines, Text, checked
from cloudpilot.web.forms.destination import DestinationForm, without_destination
from cloudpilot.web.forms.method import MethodForm

COMPRESSIONS = [
    SelectChoice(Compression.GZIP.value, "gzip: opens everywhere"),
    SelectChoice(Compression.ZSTD.value, "zstd: smaller and faster, the server must have it"),
]


class Patterns(Lines):
    """Exclude patterns; they are judged beside the paths of the same form."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        paths = getattr(form["paths"], "value", None) or []
        self.value = checked(lambda: sites.valid_patterns(self.data or "", paths))


def _patterns() -> Patterns:
    return Patterns(
        "Leave out",
        str,
        hint="One pattern a line. *.log fits a name at any depth; /cache is anchored at each path.",
    )


class PathsForm(Form):
    """What is backed up, and how it is packed."""

    paths = Lines("Paths", sites.some_paths, hint="Whole paths such as /var/www, one a line.")
    excludes = _patterns()
    compression = SelectField("Compression", choices=COMPRESSIONS, default=Compression.GZIP.value)

    def chosen(self) -> dict[str, object]:
        """What the form means, as columns."""
        values = without_destination(self.values())
        return values | {"compression": Compression(self.compression.data)}


class SiteForm(PathsForm, DestinationForm, MethodForm):
    """A site; it may be a database only."""

    paths = Lines(
        "Paths",
        sites.valid_paths,
        hint="Whole paths such as /var/www, one a line. Leave it empty for a site that is databases"
        " only: those are added on its page.",
    )
    excludes = _patterns()  # once more, so that it is judged after the paths
    name = Text("Name", valid_name, hint="What you call it, for example shop.")
