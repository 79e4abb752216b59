"""One answer of the panel as a page, with what must be so on every page."""

import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
CONTROLS = {"input", "select", "textarea"}


class Element:
    """A start tag, its attributes, and the text inside of it."""

    def __init__(self, tag: str, attrs: dict[str, str], parent: "Element | None") -> None:
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children: list[Element] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """All text in it, without what surrounds it."""
        return "".join(self.pieces).strip()

    def inside(self, tag: str) -> "Element | None":
        """The nearest element of that kind around it."""
        above = self.parent
        while above and above.tag != tag:
            above = above.parent
        return above


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Element] = []
        self.faults: list[str] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.faults += [f"<{tag}> has two {n}" for n, c in Counter(names).items() if c > 1]
        parent = self._open[-1] if self._open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, parent)
        self.found.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            inside = self._open[-1].tag if self._open else "nothing"
            self.faults.append(f"</{tag}> closes nothing: {inside} is open")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def left_open(self) -> list[str]:
        return [element.tag for element in self._open]


class Page:
    """An answer. Whole pages and fragments are checked when they are made."""

    def __init__(self, answer: TestResponse, app: Flask) -> None:
        self.answer, self.app = answer, app
        self.text = answer.text
        reader = _Reader()
        reader.feed(self.text)
        self.elements = reader.found
        if answer.mimetype == "text/html" and answer.status_code not in {301, 302, 303}:
            assert reader.faults == []
            assert reader.left_open() == []
            self.check()

    def all(self, tag: str, **attrs: str) -> list[Element]:
        """Elements of that kind with these attributes (`class_`, `data_label` …)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attrs.items()}
        return [
            e
            for e in self.elements
            if e.tag == tag and all(e.attrs.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attrs: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attrs)
        assert len(found) == 1, (tag, attrs, len(found))
        return found[0]

    @property
    def buttons(self) -> set[str]:
        """What one may press: buttons and links that look like them."""
        pressed = [e for e in self.elements if e.tag == "button" and "hidden" not in e.attrs]
        links = [e for e in self.all("a") if "button" in e.attrs.get("class", "").split()]
        return {re.sub(r"\s+", " ", e.text) for e in pressed + links}

    def check(self) -> None:
        """What must be so on every page and fragment."""
        self._ids()
        self._forms()
        self._routes()
        self._labels()
        self._nothing_inline()
        if "<html" in self.text:
            assert len(self.all("h1")) == 1
            [title] = [e for e in self.all("title") if not e.inside("svg")]
            assert title.text.endswith("· CloudPilot")
            assert self.one("html").attrs["lang"] == "en"
            assert len(self.all("main")) == 1

    def _ids(self) -> None:
        ids = Counter(e.attrs["id"] for e in self.elements if "id" in e.attrs)
        assert [i for i, count in ids.items() if count > 1] == []
        if "<html" in self.text:
            for name in ("aria-describedby", "aria-labelledby", "for"):
                wanted = {w for e in self.elements for w in e.attrs.get(name, "").split()}
                assert wanted <= set(ids), name

    def _forms(self) -> None:
        for form in self.all("form"):
            assert form.attrs.get("action"), "a form needs an address"
            assert form.attrs.get("method") in {"get", "post"}
            tokens = [i for i in self.all("input", name="csrf_token") if i.inside("form") is form]
            assert len(tokens) == (1 if form.attrs["method"] == "post" else 0)

    def _routes(self) -> None:
        for e in self.elements:
            for name, method in (("hx-get", "GET"), ("hx-post", "POST"), ("href", "GET")):
                if name in e.attrs:
                    self._must_exist(e.attrs[name], method)
            if e.tag == "form":
                self._must_exist(e.attrs["action"], e.attrs["method"].upper())
            if {"hx-get", "hx-post"} & set(e.attrs):
                assert {"hx-target", "hx-swap"} <= set(e.attrs), "nothing is inherited"
            if "hx-get" in e.attrs:
                inside = [x for x in self.elements if x.tag in {"button", "form"}]
                assert not [x for x in inside if _is_below(x, e)], "what polls holds no controls"

    def _must_exist(self, address: str, method: str) -> None:
        parts = urlsplit(address)
        assert not parts.netloc, f"{address} is another host"
        assert not parts.scheme, f"{address} is no path"
        if address.startswith("#"):
            assert [e for e in self.elements if e.attrs.get("id") == address[1:]], address
            return
        adapter = self.app.url_map.bind("localhost")
        try:
            adapter.match(parts.path, method=method)
        except RequestRedirect as moved:
            raise AssertionError(f"{address} is only a way to {moved.new_url}") from None
        except (HTTPException, MethodNotAllowed):
            raise AssertionError(f"there is no {method} {address}") from None

    def _labels(self) -> None:
        named = {e.attrs["for"] for e in self.all("label") if "for" in e.attrs}
        for e in self.elements:
            if e.tag in CONTROLS and e.attrs.get("type") != "hidden":
                assert e.attrs.get("id") in named or "aria-label" in e.attrs, e.attrs
            if e.tag == "progress":
                assert e.attrs.get("aria-label"), "progress says what progresses"
            if e.tag == "img":
                assert "alt" in e.attrs
            if e.tag in {"button", "a"}:
                assert e.text, f"{e.tag} without words: {e.attrs}"

    def _nothing_inline(self) -> None:
        for e in self.elements:
            assert "style" not in e.attrs, "the policy refuses inline styles"
            assert not [name for name in e.attrs if name.startswith("on")], "and scripts"
            assert e.tag != "style"
            assert e.tag != "script" or e.attrs.get("src")


def _is_below(e: Element, above: Element) -> bool:
    parent = e.parent
    while parent and parent is not above:
        parent = parent.parent
    return parent is above
