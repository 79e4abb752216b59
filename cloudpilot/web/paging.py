"""Numbered pages, for short lists that are in order of name."""

PAGE = 50  # rows: a page of them stays light
DIGITS = 6  # of a page's number


def page_number(text: str | None) -> int:
    """The page that a URL asks for; the first one if it makes no sense.

    >>> page_number("3"), page_number("-1"), page_number("x"), page_number("9" * 30)
    (3, 1, 1, 1)
    """
    known = text and text.isascii() and text.isdigit() and len(text) <= DIGITS
    return int(text) if known and text and int(text) > 0 else 1
