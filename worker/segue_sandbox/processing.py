"""A request's way through the API, in order: route, key, limit, method, size, endpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from segue_sandbox.answers import (
    ApiRefusal,
    HttpAnswer,
    error_answer,
    html_answer,
    too_many_requests,
    unauthorized,
)
from segue_sandbox.endpoints.call import ApiCall
from segue_sandbox.endpoints.events import KeyUsedError
from segue_sandbox.limits import Admission
from segue_sandbox.request import ApiRequest
from segue_sandbox.routes import CONTACTS_UPDATE, ApiRoute, Handler
from segue_sandbox.store import Team
from segue_sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class Incoming:
    """What is known of a request before its rules are applied.

    Attributes:
        route, team, admission: None where the path or the key is unknown; no admission without both.
        now: the data's time, unix seconds.
        delay: seconds until the answer leaves.
        mailed: False while Loops accepts events and acts on none.
    """

    request: ApiRequest
    route: ApiRoute | None
    team: Team | None
    admission: Admission | None
    switches: Switches
    now: float
    delay: float
    mailed: bool = True

    def call(self, route: ApiRoute, team: Team) -> ApiCall:
        """The endpoint's view of it."""
        return ApiCall(self.request, team, self.switches, route.argument, self.now, self.delay, self.mailed)


def process(incoming: Incoming) -> tuple[HttpAnswer, float]:
    """The API's answer, and the delay with which it leaves (longer than asked for where a key is waited for)."""
    switches, delay = incoming.switches, incoming.delay
    entered = _enter(incoming)
    if isinstance(entered, HttpAnswer):
        return entered, delay
    try:
        return entered(), delay
    except KeyUsedError as used:
        if switches.concurrent_key == "wait":
            delay = max(delay, used.first_answered_at - incoming.now)
        return error_answer(used.status, used.message, switches), delay
    except ApiRefusal as refusal:
        return error_answer(refusal.status, refusal.message, switches), delay


def _enter(incoming: Incoming) -> HttpAnswer | Callable[[], HttpAnswer]:
    """The endpoint to run, or the answer of whatever stands before it."""
    request, route, team, switches = incoming.request, incoming.route, incoming.team, incoming.switches
    if route is None:
        return html_answer(404, "404: This page could not be found.")
    if team is None or incoming.admission is None:
        return unauthorized()
    if not incoming.admission.allowed:
        return too_many_requests(switches, request.arrival)
    handler = _handler(route, request.method, switches)
    if handler is None:
        return error_answer(405, "Method not allowed", switches)
    if len(request.body) > switches.max_body_bytes:
        return html_answer(413, "413 Request Entity Too Large")
    return partial(handler, incoming.call(route, team))


def _handler(route: ApiRoute, method: str, switches: Switches) -> Handler | None:
    if route.path == CONTACTS_UPDATE and method == "POST" and not switches.post_update_ok:
        return None
    return route.handlers.get(method)
