"""What a backup of files is on its server: a part of the forms of sites, schedules and backups."""

from wtforms import RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from cloudpilot.kinds import Method
from cloudpilot.web.forms import Form

METHODS = {
    Method.ARCHIVE: "Archive: one compressed file",
    Method.TREE: "Snapshot tree (rsync): every backup a full tree, only changes take space",
}


class MethodForm(Form):
    """An archive or a snapshot tree, where its server can make trees."""

    method = RadioField(
        "How files are kept on the server",
        choices=[SelectChoice(method.value, text) for method, text in METHODS.items()],
        default=Method.ARCHIVE.value,
    )

    def offer_methods(self, now: Method, *, trees: bool) -> None:
        """Let these be chosen, beginning with what is said now; without trees nobody is asked."""
        if not trees and now is not Method.TREE:
            del self.method
        elif not self.is_submitted():
            self.method.data = now.value

    def chosen_method(self) -> Method:
        """What was chosen."""
        return Method.ARCHIVE if self.method is None else Method(self.method.data)
