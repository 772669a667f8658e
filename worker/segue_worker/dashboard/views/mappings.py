"""The page that shows the mappings, and previews what they make of an event."""

from typing import Any

from starlette.responses import Response

from segue_producer.keys import Keys
from segue_worker.config import Destination
from segue_worker.dashboard.context import PageRequest, configured
from segue_worker.dashboard.masking import pretty
from segue_worker.dashboard.pages import render
from segue_worker.mapping.known_refusals import refusals
from segue_worker.observing.metrics.exposition import mapping_counts
from segue_worker.observing.metrics.minutes import read_counts
from segue_worker.observing.preview import NotAnEventError, preview, read_event, refused_because

_EXAMPLE = {
    "type": "track",
    "event": "Signed Up",
    "userId": "u1",
    "properties": {"plan": "Pro"},
    "context": {"traits": {"email": "ada@example.com"}},
}


def mappings(call: PageRequest) -> Response:
    """All mappings, and a form to try them."""
    return _page(call, event=pretty(_EXAMPLE), destination="")


def preview_event(call: PageRequest) -> Response:
    """What the mappings of a destination make of the event in the form."""
    text, name = call.field("event"), call.field("destination")
    chosen = configured(call.dashboard.known(), name)
    if chosen is None:
        return _page(call, event=text, destination=name, wrong="The configuration has no destination of this name.")
    try:
        event = read_event(text.encode())
    except NotAnEventError as error:
        return _page(call, event=text, destination=name, wrong=f"{error}".capitalize())
    found = preview(event, chosen.mappings)
    refused = refused_because(event)
    warning = f"This is not enqueued: {refused}" if refused else ""
    requests = [
        (request.mapping, f"{request.method} {request.path}", pretty(request.body), refusals(request))
        for request in found.requests
    ]
    return _page(call, event=text, destination=name, found=found, requests=requests, warning=warning)


def _counts(call: PageRequest, destination: Destination) -> dict[str, dict[str, int]]:
    """How often each mapping fired, was skipped and failed, counted over all time."""
    measures: Any = call.dashboard.redis.hgetall(Keys(destination.name).measures)
    return mapping_counts(read_counts(measures))


def _page(call: PageRequest, *, event: str, destination: str, **result: Any) -> Response:
    known = call.dashboard.known()
    destinations: tuple[Destination, ...] = known.config.destinations if known.config else ()
    empty: dict[str, Any] = {"found": None, "requests": [], "warning": "", "wrong": ""}
    return render(
        call,
        "mappings.html",
        title="Mappings",
        destinations=destinations,
        counts={each.name: _counts(call, each) for each in destinations},
        remark=known.remark,
        event=event,
        chosen=destination,
        **{**empty, **result},
    )
