"""Forms: what was typed is judged by the domain's own functions and stays in its field."""

from collections.abc import Callable
from typing import Any

from flask import Response, make_response, redirect, render_template
from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from werkzeug.wrappers import Response as BaseResponse
from wtforms import Field, StringField, TextAreaField
from wtforms.form import BaseForm
from wtforms.validators import ValidationError

from cloudpilot.errors import CloudPilotError
from cloudpilot.web.problems import Problem

Check = Callable[[str], Any]


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form of the panel. `problem` is why it could not be done although each field was right."""

    problem: Problem | None = None

    def values(self) -> dict[str, Any]:
        """What the checked fields mean, by name."""
        return {field.name: field.value for field in self if hasattr(field, "value")}


class Checked(Field):
    """A field whose text one function of the domain checks; `value` is what it returned.

    `data` stays what was typed. Use Text or Lines.
    """

    def __init__(self, label: str, check: Check, *, hint: str = "", **options: Any) -> None:
        super().__init__(label, description=hint, **options)
        self._check = check
        self.value: Any = None

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        self.value = checked(lambda: self._check(str(self.data or "")))


class Text(Checked, StringField):
    """One line."""


class Lines(Checked, TextAreaField):
    """Several lines."""


def checked(check: Callable[[], Any]) -> Any:
    """What `check` returns; what it refuses is said at the field."""
    try:
        return check()
    except CloudPilotError as refused:
        raise ValidationError(str(refused)) from refused


def sent(form: Form, act: Callable[[], str | BaseResponse]) -> BaseResponse | None:
    """Do what the form asks for, if it was sent and all of it is right.

    act  returns the address to go to, or a page of its own. None: show the form, again with what
         was typed; if `act` has failed, `form.problem` says why.
    """
    if not form.validate_on_submit():
        return None
    try:
        done = act()
    except CloudPilotError as error:
        form.problem = Problem.of(error)
        return None
    return redirect(done, 303) if isinstance(done, str) else done


def page(template: str, form: Form, **context: object) -> Response:
    """The page of a form, with the status that its faults deserve."""
    status = form.problem.status if form.problem else 422 if form.errors else 200
    answer = make_response(render_template(template, form=form, **context), status)
    if form.problem and form.problem.wait:
        answer.headers["Retry-After"] = str(form.problem.wait)
    return answer
