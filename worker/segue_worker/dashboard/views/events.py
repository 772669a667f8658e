"""The page of events: the log, newest first, filtered."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.observing.log_lines import OUTCOMES, LogFilter, read_status
from segue_worker.observing.log_page import LogPage, Place, read_page
from segue_worker.operating.dead_letters import parse_since

SHOWN: Final = 50
_FILTERS: Final = ("destination", "outcome", "event", "mapping", "status", "since", "until")


def events(call: PageRequest) -> Response:
    """What became of events, step by step, at one destination or at all."""
    known = call.known
    chosen = {name: call.query(name) for name in _FILTERS}
    if chosen["destination"] and chosen["destination"] not in known.names:
        raise HTTPException(404)
    names = (chosen["destination"],) if chosen["destination"] else known.names
    wrong: dict[str, str] = {}
    wanted = _filter(call, chosen, wrong)
    before = Place.read(call.query("before"))
    page = LogPage([], None, full=False)
    if not wrong:
        page = read_page(call.dashboard.redis, names, wanted, most=SHOWN, before=before)
    address = urlencode({name: value for name, value in chosen.items() if value})
    return render(
        call,
        "events.html",
        title="Events",
        destinations=known.names,
        outcomes=OUTCOMES,
        chosen=chosen,
        narrowed=bool(address),
        wrong=wrong,
        page=page,
        before=before,
        address=f"/events?{address}&" if address else "/events?",
    )


def _filter(call: PageRequest, chosen: dict[str, str], wrong: dict[str, str]) -> LogFilter:
    """The filter that was chosen; `wrong` is told what is wrong with which field."""

    def read(name: str, how: Any) -> Any:
        try:
            return how(chosen[name]) if chosen[name] else None
        except ValueError as error:
            wrong[name] = f"“{name.capitalize()}”: {error}."
            return None

    now = datetime.fromtimestamp(call.dashboard.clock(), UTC)
    status = read("status", read_status)
    return LogFilter(
        outcomes=_given(chosen["outcome"]),
        events=_given(chosen["event"]),
        mappings=_given(chosen["mapping"]),
        statuses=_given(status),
        since_ms=read("since", lambda text: parse_since(text, now)),
        until_ms=read("until", lambda text: parse_since(text, now)),
    )


def _given(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()
