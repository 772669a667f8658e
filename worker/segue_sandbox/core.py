"""The sandbox without HTTP: it takes a request, and decides what to answer and when, or whether to hang up."""

from http import HTTPStatus
from typing import Any, NamedTuple

from segue_sandbox.answers import HTML_TYPE, Headers, HttpAnswer
from segue_sandbox.clock import SandboxClock
from segue_sandbox.endpoints.events import spend_on_failure
from segue_sandbox.fault_answers import fault_answer, spoil
from segue_sandbox.faults import FaultPlan, InjectedFault
from segue_sandbox.keys import KeyRing
from segue_sandbox.ledger import Ledger, LedgerEntry
from segue_sandbox.limits import Admission
from segue_sandbox.processing import Incoming, process
from segue_sandbox.request import ApiRequest
from segue_sandbox.routes import EVENTS_SEND, find_route
from segue_sandbox.store import DEFAULT_LISTS, AcceptedEvent, LoopsContact, MailingList, Team
from segue_sandbox.switches import Switches


class Handled(NamedTuple):
    """How to answer a request.

    Attributes:
        headers: those of the answer, and those of the rate limit.
        delay: seconds from the request's arrival until the answer is sent, or the connection dropped.
        drop: whether to close the connection without an answer.
        entry: the request's entry in the ledger; `ended_at` is set once the answer was sent.
    """

    answer: HttpAnswer
    headers: Headers
    delay: float
    drop: bool
    entry: LedgerEntry


class Sandbox:
    """All teams, their data, the switches and faults in force, and the ledger.

    Args:
        switches: the switches at the start, and after `reset`.
        api_keys: the keys it accepts, as `KEY` or `KEY=TEAM`; if none are given, every key `sandbox-TEAM`.
        seed: seed of the random faults.
    """

    def __init__(
        self,
        switches: Switches | None = None,
        *,
        api_keys: tuple[str, ...] = (),
        seed: int = 0,
        clock: SandboxClock | None = None,
    ) -> None:
        self._initial_switches = switches or Switches()
        self._seed = seed
        self.clock = clock or SandboxClock()
        self.keys = KeyRing(api_keys)
        self.ledger = Ledger()
        self.teams: dict[str, Team] = {}
        self.lists: dict[str, MailingList] = {}
        self.events: list[AcceptedEvent] = []
        self.reset()

    def reset(self) -> None:
        """Return to the state at the start: no data, no ledger, no faults, the first switches, no revoked key."""
        self.switches = self._initial_switches.model_copy()
        self.faults = FaultPlan(self._seed)
        self.keys.restore()
        self.clock.offset = 0.0
        self.ledger.clear()
        self.teams.clear()
        self.events.clear()
        self.lists.clear()
        self.lists.update({known.id: known for known in DEFAULT_LISTS})

    def change_switches(self, changes: dict[str, Any]) -> None:
        """Change switches from now on.

        Raises:
            SwitchError: a name or value is unknown; nothing is changed then.
        """
        self.switches = self.switches.changed(changes)

    def team(self, name: str) -> Team:
        """The team of this name, made on first use."""
        team = self.teams.get(name)
        if team is None:
            team = self.teams[name] = Team(name, self.lists, self.events)
        return team

    def leave_list(
        self, list_id: str, *, email: str | None = None, user_id: str | None = None, team: str | None = None
    ) -> None:
        """Let a contact leave a list in the Preference Center, for good. Without `team`, of the first team that has it.

        Raises:
            LookupError: there is no such contact.
        """
        contact = self._contact(email, user_id, team)
        contact.lists.discard(list_id)
        contact.left_lists.add(list_id)

    def suppress(self, *, email: str | None = None, user_id: str | None = None, team: str | None = None) -> None:
        """Put a contact on the suppression list, as after a hard bounce or a complaint.

        Raises:
            LookupError: there is no such contact.
        """
        self._contact(email, user_id, team).suppressed = True

    def _contact(self, email: str | None, user_id: str | None, team: str | None) -> LoopsContact:
        for owner in tuple(self.teams.values()):
            contact = owner.contacts.by_email(email, folded=True) if email else owner.contacts.by_user_id(user_id or "")
            if contact is not None and team in (None, owner.name):
                return contact
        raise LookupError("no contact has that email or userId")

    def handle(self, request: ApiRequest) -> Handled:
        """Decide about a request, apply it, and record it in the ledger. Requests must come in order of arrival.

        A request that meets a fault counts against the rate limit like any other, because it did reach Loops.
        """
        fault = self.faults.decide(request, self.switches.fail)
        incoming = self._incoming(request, fault)
        if fault is not None and not fault.reaches_api:
            answer, delay = fault_answer(fault, self.switches, request), incoming.delay
            self._spend_key_on_failure(incoming, answer)
        else:
            answer, delay = process(incoming)
            if fault is not None:
                answer = spoil(answer, fault)
        entry = self._write_down(incoming, fault, answer)
        headers = answer.headers + self._rate_headers(incoming.admission, answer)
        return Handled(answer, headers, delay, fault is not None and fault.drops, entry)

    def _incoming(self, request: ApiRequest, fault: InjectedFault | None) -> Incoming:
        switches = self.switches
        route = find_route(request.path)
        name = self.keys.team_of(request.headers.get("authorization", ""))
        team = None if name is None else self.team(name)
        return Incoming(
            request=request,
            route=route,
            team=team,
            admission=None if team is None or route is None else team.limiter.admit(request.arrival, switches),
            switches=switches,
            now=request.arrival + self.clock.offset,
            delay=(switches.latency_ms + (fault.delay_ms if fault else 0)) / 1000,
            mailed=fault is None or fault.kind != "not_mailed",
        )

    def _write_down(self, incoming: Incoming, fault: InjectedFault | None, answer: HttpAnswer) -> LedgerEntry:
        admission = incoming.admission
        reached_api = fault is None or fault.reaches_api
        entry = LedgerEntry(
            n=self.ledger.next_n,
            request=incoming.request,
            team=incoming.team.name if incoming.team else None,
            status=None if fault is not None and fault.drops else answer.status,
            applied=answer.applied,
            fault=fault.label if fault else None,
            rate_limited=reached_api and admission is not None and not admission.allowed,
            contact_id=answer.contact_id,
        )
        self.ledger.add(entry)
        return entry

    def _spend_key_on_failure(self, incoming: Incoming, answer: HttpAnswer) -> None:
        """With `key_spent_on: any_authenticated`, a request that was answered by a 5xx uses up its key too."""
        route, team = incoming.route, incoming.team
        failed = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if route is not None and team is not None and route.path == EVENTS_SEND and failed:
            spend_on_failure(incoming.call(route, team))

    def _rate_headers(self, admission: Admission | None, answer: HttpAnswer) -> Headers:
        """The two headers of the rate limit. A proxy's error page has none, nor an answer for which no team is known."""
        if admission is None:
            if not self.switches.rate_headers_without_team:
                return ()
            limit = remaining = self.switches.rate_limit
        elif answer.content_type == HTML_TYPE and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ()
        else:
            limit = admission.limit
            remaining = 0 if answer.status == HTTPStatus.TOO_MANY_REQUESTS else admission.remaining
        return (("x-ratelimit-limit", str(limit)), ("x-ratelimit-remaining", str(remaining)))
