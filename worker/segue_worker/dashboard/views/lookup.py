"""The look-up page: the recent events of a person, or what happened to the event with a messageId."""

from typing import Final

from starlette.responses import Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.observing.destinations import former_names
from segue_worker.observing.timeline import Timeline, read_timeline
from segue_worker.observing.trace import settled_trails
from segue_worker.observing.wording import describe

SHOWN: Final = 50


def ask(call: PageRequest) -> Response:
    """The form."""
    return _page(call, "", None)


def answer(call: PageRequest) -> Response:
    """What was found. The form is sent by POST, so that no email address gets into a URL or a log."""
    query = call.field("query")
    if not query:
        return _page(call, "", None)
    # A messageId may have spaces at its ends; in most cases they were only copied along.
    found = _find(call, exact) if (exact := call.form["query"][0]) != query else None
    if found is not None and found.trails:
        return _page(call, exact, found)
    return _page(call, query, _find(call, query))


def _find(call: PageRequest, query: str) -> Timeline:
    known, redis = call.known, call.dashboard.redis
    names = (*known.names, *former_names(redis, known.names))
    standstills = {name: known.standstill(name) for name in names}
    found = read_timeline(redis, standstills, query, most=SHOWN + 1, message_id=query, reveal=bool(call.field("shown")))
    if not found.trails:
        settled = [trail for name in names for trail in settled_trails(redis, name, query)]
        found = found._replace(trails=settled)
    return found


def _page(call: PageRequest, query: str, found: Timeline | None) -> Response:
    return render(
        call,
        "lookup.html",
        title="Look up",
        query=query,
        found=found,
        shown=bool(call.field("shown")),
        most=SHOWN,
        describe=describe,
    )
