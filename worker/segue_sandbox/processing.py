"""Answers an API request. The checks come in this order: route, API key, rate limit, method, size, endpoint."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

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


class Incoming(NamedTuple):
    """A request, and what is known about it before an endpoint handles it.

    Attributes:
        route: None for an unknown path.
        team: None for an unknown API key.
        admission: the rate limit's decision; None without a route or a team.
        now: the data's time, unix seconds.
        delay: seconds until the answer is sent.
        mailed: False while Loops accepts events but does not act on them.
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
        """The request as an endpoint gets it."""
        return ApiCall(self.request, team, self.switches, route.argument, self.now, self.delay, self.mailed)


def process(incoming: Incoming) -> tuple[HttpAnswer, float]:
    """The API's answer, and its delay in seconds, which is longer if the answer waits for another use of the key."""
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
    """The endpoint to call, or the answer of the check that the request did not pass."""
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
