"""Holding a destination, and letting it go on."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from segue_producer.keys import Keys
from segue_worker.dashboard.context import Call
from segue_worker.dashboard.pages import go_to, render
from segue_worker.outbox.pause import Pause, PauseKind, begin

LONGEST_REASON: Final = 200


def ask(call: Call) -> Response:
    """The form that pauses or resumes."""
    name = _destination(call)
    raw = call.dashboard.redis.get(Keys(name).paused)
    paused = Pause.from_json(raw) if raw else None
    title = f"{'Resume' if paused else 'Pause'} {name}"
    return render(call, "pause.html", title=title, destination=name, paused=paused, longest=LONGEST_REASON)


def pause(call: Call) -> Response:
    """Hold a destination. A pause that Segue made itself becomes one by hand: no probe ends it."""
    name = _destination(call)
    reason = call.field("reason")[:LONGEST_REASON] or "paused by hand"
    key = Keys(name).paused
    earlier = call.dashboard.redis.get(key)
    since = Pause.from_json(earlier).since if earlier else call.dashboard.now_ms
    call.dashboard.redis.set(key, begin(PauseKind.HAND, reason, since).to_json())
    return go_to("/")


def resume(call: Call) -> Response:
    """Let a destination go on, whoever paused it."""
    name = _destination(call)
    call.dashboard.redis.delete(Keys(name).paused)
    call.dashboard.send_hint(name)
    return go_to("/")


def _destination(call: Call) -> str:
    name: str = call.params["destination"]
    if name not in call.dashboard.known().names:
        raise HTTPException(404)
    return name
