"""The pages about contacts that wait for a retry, and the buttons that retry now."""

from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_worker.dashboard.context import Dashboard, PageRequest
from segue_worker.dashboard.jobs import Job, Work
from segue_worker.dashboard.pages import go_to, render
from segue_worker.dashboard.paging import page_number, page_of
from segue_worker.observing.status import read_statuses
from segue_worker.operating.retry_now import find_retry, parked_contacts, retry_all_now, waiting_retries

SHOWN: Final = 100
"""So many contacts a page, of all destinations together."""
SECTIONS: Final = 10
_SAID: Final = {
    "now": "{} will be sent now.",
    "paused": "{} will be sent as soon as the destination is resumed.",
    "claimed": "Already being attempted: {}.",
    "gone": "No longer waiting (sent or given up): {}.",
}
_MOST_DIGITS: Final = 7


def retries(call: PageRequest) -> Response:
    """The parked contacts of every destination, the longest waiting first."""
    redis = call.dashboard.redis
    overall = call.overall
    names, statuses = overall.known.names, overall.statuses
    # Among many, those where somebody waits come first.
    ordered = names if len(names) <= SECTIONS else sorted(names, key=lambda name: not statuses[name].parked)
    shown = page_of(call, ordered, SECTIONS)
    waiting = {name: waiting_retries(redis, name) for name in shown.names}
    each = SHOWN // max(1, len(shown.names))
    # One of them has pages of its own.
    alone = len(shown.names) == 1
    page, pages = page_number(call, len(waiting[shown.names[0]]), each) if alone else (1, 1)
    first = (page - 1) * each
    return render(
        call,
        "retries.html",
        title="Retries",
        statuses=statuses,
        waiting={name: found[first : first + each] for name, found in waiting.items()},
        looked_at={name: len(found) for name, found in waiting.items()},
        said=_said(call),
        shown=shown,
        all_names=names,
        first=first,
        page=page,
        pages=pages,
        alone=alone,
    )


def now(call: PageRequest) -> Response:
    """Bring the next attempts of the chosen contacts, or of all, forward to now."""
    dashboard, destination = call.dashboard, call.field("destination")
    contacts = parked_contacts(dashboard.redis, destination) if destination in call.known.names else []
    if call.field("all"):
        job = dashboard.jobs.start(
            Job("retry", destination, len(contacts)), _retrying(dashboard, destination, contacts)
        )
        return go_to(f"/jobs/{job.id}")
    handles = [call.field("only")] if call.field("only") else list(dict.fromkeys(call.form.get("handle", [])))
    known = {dashboard.sessions.handle(destination, contact): contact for contact in contacts} if handles else {}
    work = _retrying(dashboard, destination, [known[handle] for handle in handles if handle in known])
    counts = Counter(outcome for outcome, _, _ in work())
    counts["gone"] += sum(handle not in known for handle in handles)
    if counts["now"] and read_statuses(dashboard.redis, [destination])[destination].paused:
        counts["paused"] = counts.pop("now")
    return go_to(f"/retries?{urlencode({'destination': destination, **+counts})}")


def _retrying(dashboard: Dashboard, destination: str, contacts: list[str]) -> Work:
    def work() -> Iterator[tuple[str, int, None]]:
        for outcome, hint in retry_all_now(dashboard.redis, destination, contacts):
            if hint:
                dashboard.send_hint(destination)
            yield outcome, 1, None

    return work


def _said(call: PageRequest) -> str:
    """What became of what was to be retried."""
    counts = {outcome: call.query(outcome) for outcome in _SAID}
    return " ".join(
        _SAID[outcome].format("1 request" if count == "1" else f"{int(count):,} requests")
        for outcome, count in counts.items()
        if count.isascii() and count.isdigit() and len(count) <= _MOST_DIGITS
    )


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
    contacts = parked_contacts(call.dashboard.redis, destination) if destination in call.known.names else ()
    return next((each for each in contacts if name(destination, each) == handle), None)
