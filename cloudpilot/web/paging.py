"""Numbered pages, for short lists that are in order of name."""

PAGE = 50  # rows: a page of them stays light


def page_number(text: str | None) -> int:
    """The page that a URL asks for; the first one if it makes no sense.

    >>> page_number("3"), page_number("-1"), page_number("x"), page_number(None)
    (3, 1, 1, 1)
    """
    return int(text) if text and text.isascii() and text.isdigit() and int(text[:6]) > 0 else 1
