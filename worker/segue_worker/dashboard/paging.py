"""Destinations a page at a time, and found by name: there may be hundreds."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from segue_worker.dashboard.context import PageRequest


@dataclass(frozen=True, slots=True)
class DestinationPage:
    """What is shown of a list of destinations.

    Attributes:
        names: the destinations of this page.
        search: the part of their names that was asked for, or "".
        found: how many match.
        page: which page this is, from 1.
        pages: how many there are.
    """

    names: tuple[str, ...]
    search: str
    found: int
    page: int
    pages: int

    def query(self, page: int) -> str:
        """The query of another page of the list."""
        return urlencode({"search": self.search, "page": page})


def page_of(call: PageRequest, names: Sequence[str], size: int) -> DestinationPage:
    """The page that a request asks for: `destination`, exactly, or the page `page` of those with `search` in their names."""
    exact, search = call.query("destination"), call.query("search")
    found = [name for name in names if (name == exact if exact else search.casefold() in name.casefold())]
    page, pages = page_number(call, len(found), size)
    return DestinationPage(tuple(found[(page - 1) * size : page * size]), search, len(found), page, pages)


def page_number(call: PageRequest, found: int, size: int) -> tuple[int, int]:
    """Which page a request asks for, of how many, where `found` things are shown `size` a page."""
    pages = max(1, -(-found // size))
    asked = call.query("page")
    return min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) <= len(str(pages)) else 1, pages
