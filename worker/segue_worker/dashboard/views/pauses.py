"""The page that pauses and resumes a destination."""

from datetime import timedelta
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_producer.keys import Keys
from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import go_to, render
from segue_worker.operating import pause as operating
from segue_worker.outbox.pause import Pause

LONGEST_REASON: Final = 200


def ask(call: PageRequest, *, wrong: str = "") -> Response:
    """The form that pauses or resumes."""
    name = _destination(call)
    raw = call.dashboard.redis.get(Keys(name).paused)
    paused = Pause.from_json(raw) if raw else None
    return render(
        call,
        "pause.html",
        title=f"{'Resume' if paused else 'Pause'} {name}",
        destination=name,
        paused=paused,
        longest=LONGEST_REASON,
        reason=call.field("reason"),
        span=call.field("for"),
        wrong=wrong,
    )


def pause(call: PageRequest) -> Response:
    """Pause a destination. One that Segue had paused itself now counts as paused by hand: no probe resumes it."""
    name = _destination(call)
    reason, span = call.field("reason")[:LONGEST_REASON] or "paused by hand", call.field("for")
    try:
        for_ms = operating.read_span(span) // timedelta(milliseconds=1) if span else None
    except ValueError as error:
        return ask(call, wrong=f"“For”: {error}.")
    operating.pause(call.dashboard.redis, name, reason, for_ms=for_ms)
    return go_to("/")


def resume(call: PageRequest) -> Response:
    """Resume a destination, whoever paused it."""
    name = _destination(call)
    operating.resume(call.dashboard.redis, name)
    call.dashboard.send_hint(name)
    return go_to("/")


def _destination(call: PageRequest) -> str:
    name: str = call.params["destination"]
    if name not in call.known.names:
        raise HTTPException(404)
    return name
