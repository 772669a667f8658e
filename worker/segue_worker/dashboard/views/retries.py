"""The pages about contacts that wait for a retry, and the button that retries now."""

from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import go_to, render
from segue_worker.dashboard.paging import page_of
from segue_worker.observing.status import read_statuses
from segue_worker.operating.retry_now import find_retry, parked_contacts, retry_now, waiting_retries

SHOWN: Final = 100
"""So many contacts a page, of all destinations together."""
SECTIONS: Final = 10
_SAID: Final = {
    "now": "The request will be sent now.",
    "claimed": "An attempt is already under way.",
    "gone": "It no longer waits: the request was sent, or given up.",
    "paused": "The request will be sent as soon as the destination is resumed.",
}


def retries(call: PageRequest) -> Response:
    """The parked contacts of every destination, the next attempt first."""
    redis = call.dashboard.redis
    known = call.dashboard.known()
    statuses = read_statuses(redis, known.names)
    # Among many, those where somebody waits come first.
    names = (
        known.names if len(known.names) <= SECTIONS else sorted(known.names, key=lambda name: not statuses[name].parked)
    )
    shown = page_of(call, names, SECTIONS)
    waiting = {name: waiting_retries(redis, name, SHOWN // len(shown.names)) for name in shown.names}
    said = _SAID.get(call.query("said"), "")
    return render(
        call,
        "retries.html",
        title="Retries",
        statuses=statuses,
        waiting=waiting,
        said=said,
        shown=shown,
        all_names=known.names,
    )


def now(call: PageRequest) -> Response:
    """Bring the next attempt of one contact forward to now."""
    destination = call.field("destination")
    contact = _contact(call, destination, call.field("handle"))
    outcome: str = "gone"
    if contact is not None:
        outcome, hint = retry_now(call.dashboard.redis, destination, contact)
        if hint:
            call.dashboard.send_hint(destination)
        if outcome == "now" and read_statuses(call.dashboard.redis, [destination])[destination].paused:
            outcome = "paused"
    return go_to(f"/retries?{urlencode({'said': outcome})}")


def show(call: PageRequest) -> Response:
    """One parked contact. Personal data is shown only in answer to a POST."""
    destination = call.params["destination"]
    contact = _contact(call, destination, call.params["handle"])
    found = None if contact is None else find_retry(call.dashboard.redis, destination, contact)
    if found is None:
        raise HTTPException(404)
    shown = call.request.method == "POST"
    return render(call, "retry.html", title="Retry", destination=destination, retry=found, shown=shown)


def _contact(call: PageRequest, destination: str, handle: str) -> str | None:
    """The parked contact that a handle on a page stands for."""
    name = call.dashboard.sessions.handle
    contacts = parked_contacts(call.dashboard.redis, destination) if destination in call.dashboard.known().names else ()
    return next((each for each in contacts if name(destination, each) == handle), None)
