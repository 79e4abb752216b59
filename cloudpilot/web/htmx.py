"""The only module that knows a request came from htmx."""

from flask import Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse


def is_htmx() -> bool:
    """Whether htmx asks, and so wants a fragment."""
    return bool(getattr(request, "htmx", False))


def fragment_or_redirect(template: str, url: str, **context: object) -> BaseResponse:
    """After a POST: the changed fragment for htmx, a redirect to `url` for a plain form."""
    if not is_htmx():
        return redirect(url, 303)
    return make_response(render_template(template, **context))


def live(template: str, *, state: str, **context: object) -> Response:
    """A polled fragment. Its address says in `seen` the state that the page around it was made
    for; when that is no longer the state, htmx loads the whole page once more: everything beside
    the fragment, buttons first of all, is then as it should be."""
    answer = make_response(render_template(template, state=state, **context))
    if is_htmx() and request.args.get("seen", state) != state:
        answer.headers["HX-Refresh"] = "true"
    return answer


def to_problem(answer: Response) -> Response:
    """Have htmx put this answer where problems are shown, not where the request came from."""
    answer.headers["HX-Retarget"] = "#problem"
    answer.headers["HX-Reswap"] = "innerHTML"
    return answer
