"""One configured mapping of a destination, compiled: its trigger, its fields, the payload rules and the request."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue_worker.errors import MappingError, PayloadError
from segue_worker.mapping.bodies import BODIES
from segue_worker.mapping.definition import Definition
from segue_worker.mapping.fields import ACTIONS, Action, ActionName, default_fields, finds_by_email
from segue_worker.mapping.mailing_lists import asked_for, subscriptions
from segue_worker.mapping.payload import compile_check
from segue_worker.mapping.request import Request
from segue_worker.mapping.transform import Transform, compile_with_faults
from segue_worker.mapping.trigger import Trigger, compile_trigger
from segue_worker.mapping.values import RULES, Repair, Values, repair


class CompiledMapping:
    """A mapping of a destination, ready to turn events into requests.

    Attributes:
        name: as configured.
        action: the name of the Loops action that it performs.
        trigger: decides which events it applies to.
        enabled: whether it applies to any event at all.
        max_wait_ms: for how long an event may have waited for its turn; 0 for any time.
        definition: what it was compiled from.
    """

    __slots__ = (
        *("_body", "_check", "_method", "_path", "_read_lists", "_transform", "_values"),
        *("action", "definition", "enabled", "max_wait_ms", "name", "trigger"),
    )

    def __init__(
        self,
        definition: Definition,
        *,
        action: Action,
        trigger: Trigger,
        transform: Transform,
        email_only: bool = False,
    ) -> None:
        self.definition = definition
        self.name = definition.name
        self.max_wait_ms = definition.max_wait_ms
        self.action = action.name
        self._method = action.method
        self._path = action.path
        self.trigger = trigger
        self.enabled = definition.enabled
        self._transform = transform
        self._check = compile_check(action, email_only=email_only)
        self._values = definition.values
        self._body = BODIES[action.name]
        # Segment leaves out in silence what is neither true nor false; `repair` does so too, and says it.
        self._read_lists = subscriptions if definition.values == "keep" else asked_for

    def __repr__(self) -> str:
        return f"CompiledMapping({self.name!r}, {self.action}, {self.trigger.text!r})"

    def render(self, event: dict[str, Any]) -> Request | None:
        """Make the request for an event (a JSON object), or None if the mapping does not fire.

        The event is not changed. Whether its `integrations` exclude Loops is not looked at here: see `lets_through`.

        Raises:
            PayloadError: the payload breaks the action's rules. Segment makes no request either.
            MappingError: a directive fails on this event, or a limit of `segue_worker.mapping.limits` is passed.
        """
        return self.request(event) if self.enabled and self.trigger(event) else None

    def request(self, event: dict[str, Any]) -> Request:
        """Make the request for an event that the mapping has taken already, whatever its trigger says by now.

        Raises:
            PayloadError, MappingError: as `render` does.
        """
        payload = self._check(self._transform(event))
        address = payload.get("email", "")
        body = self._body(payload, self._read_lists)
        repaired, repairs = repair(body, self.action, address=address)
        if not repairs:
            return Request(self.name, self.action, self._method, self._path, body)
        if self._values == "keep":
            kept = tuple(each for each in repairs if each.fate != "noticed")
            return Request(self.name, self.action, self._method, self._path, body, (), kept)
        _check_repaired(repaired, repairs, self.action, refuse=self._values == "refuse")
        return Request(self.name, self.action, self._method, self._path, repaired, repairs)

    def explain(self, event: dict[str, Any]) -> str | None:
        """Say why the mapping makes no request of this event, or return None if it makes one.

        The text may quote values of the event.
        """
        if not self.enabled:
            return "the mapping is disabled"
        unmet = self.trigger.explain(event)
        if unmet is not None:
            return unmet
        try:
            self.render(event)
        except (PayloadError, MappingError) as error:
            return str(error)
        return None


def _check_repaired(body: dict[str, Any], repairs: Sequence[Repair], action: ActionName, *, refuse: bool) -> None:
    """Raise PayloadError where values that had to be left out are one too many: the request would be for nobody."""
    missing = not (body.get("userId") or body.get("email")) or (action == "sendEvent" and "eventName" not in body)
    if refuse or missing:
        faults = [f"{each.key}: {RULES[each.rule].why}" for each in repairs if each.fate == "left out"]
        if faults:
            raise PayloadError("; ".join(faults))


def compile_destination_mapping(  # noqa: PLR0913 - the keys of a mapping's configuration
    *,
    name: str,
    action: str,
    trigger: str | None,
    enabled: bool,
    defaults: bool,
    fields: Mapping[str, Any],
    values: Values = "keep",
    max_wait_ms: int = 0,
) -> CompiledMapping:
    """Compile a mapping from the keys of its configuration.

    Args:
        name: identifies the mapping in its requests.
        action: `createOrUpdateContact` or `sendEvent`.
        trigger: FQL; None stands for the action's default trigger.
        enabled: whether it applies to any event at all.
        defaults: start from the action's default fields, which `fields` override, or remove with None.
        fields: the mapping-kit value of each field. Unknown fields are dropped, as by Segment: see `unknown_fields`. With a
            `userId` of None and an `email`, the contact is found by its email alone.
        values: what is done about values that Loops refuses; see `segue_worker.mapping.values`.
        max_wait_ms: for how long an event may have waited for its turn; 0 for any time.

    Raises:
        TriggerError: the trigger is refused.
        MappingError: the fields have problems (all of them are named), or there is no such action.
    """
    known = ACTIONS.get(action)
    if known is None:
        raise MappingError((f"There is no action {action!r}. Choose {' or '.join(ACTIONS)}.",))
    compiled_trigger = compile_trigger(known.trigger if trigger is None else trigger)
    mapping = {**default_fields(known.name), **fields} if defaults else dict(fields)
    if defaults:
        mapping = {field: value for field, value in mapping.items() if value is not None}
    transform, faults = compile_with_faults(mapping)
    if faults:
        raise MappingError(faults)
    return CompiledMapping(
        Definition(name, known.name, compiled_trigger.text, enabled, defaults, fields, values, max_wait_ms),
        action=known,
        trigger=compiled_trigger,
        transform=transform,
        email_only=finds_by_email(fields, mapping),
    )
