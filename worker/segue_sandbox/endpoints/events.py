"""events/send with its idempotency keys (docs/loops.md#events)."""

from contextlib import suppress

from segue_sandbox.answers import ApiRefusal, HttpAnswer, json_answer
from segue_sandbox.endpoints.call import ApiCall
from segue_sandbox.endpoints.upsert import apply_upsert, keep_allowed_lists, read_upsert
from segue_sandbox.rules.body import JsonObject, read_object
from segue_sandbox.rules.identity import find_contact
from segue_sandbox.rules.properties import EVENT_KEYS, PropertyValue, read_event_properties, type_of
from segue_sandbox.store import AcceptedEvent, EventPattern, LoopsContact, make_id

MAX_KEY = 100
_KEY_409 = {
    "key": "Request with idempotency key {key} has already been processed.",
    "different_body": "Idempotency key already used with a different request body.",
    "processed": "Request has already been processed.",
}


class KeyUsedError(ApiRefusal):
    """The idempotency key was used within the past 24 h.

    Attributes:
        first_answered_at: when the answer to the request that used it leaves, the data's time.
    """

    def __init__(self, message: str, first_answered_at: float) -> None:
        super().__init__(409, message)
        self.first_answered_at = first_answered_at


def send(call: ApiCall) -> HttpAnswer:
    """POST /events/send: make or update the contact and record the event, in one step."""
    if len(call.request.idempotency_key or "") > MAX_KEY:
        raise ApiRefusal(400, f"Idempotency-Key is longer than {MAX_KEY} characters")
    if call.switches.key_spent_on == "any_authenticated":
        _spend_key(call)
    body = read_object(call.request, call.switches)
    name = _read_name(body, call)
    upsert = read_upsert(body, call, skip=EVENT_KEYS)
    pattern = call.team.patterns.get(name)
    types = pattern.property_types if pattern else {}
    # The client loops-sdk sends null where none were given.
    sent = body.get("eventProperties")
    properties = read_event_properties({} if sent is None else sent, types, call.switches)
    found = find_contact(call.team.contacts, upsert.identity, call.switches)
    if found is None and upsert.identity.email is None:
        raise ApiRefusal(400, "Contact not found.")
    upsert = keep_allowed_lists(upsert, found, call)
    if call.switches.key_spent_on == "success":
        _spend_key(call)  # after every check
    contact = apply_upsert(upsert, found, call)
    _record(name, properties, contact, call)
    return json_answer({"success": True}, applied=True, contact_id=contact.id)


def spend_on_failure(call: ApiCall) -> None:
    """Use the key up though the request failed at Loops' end, where the switch says so."""
    if call.switches.key_spent_on == "any_authenticated":
        with suppress(KeyUsedError):
            _spend_key(call)


def _spend_key(call: ApiCall) -> None:
    key = call.request.idempotency_key
    if key is None:
        return
    first_answered_at = call.team.idempotency.answered_at(key, call.now)
    if first_answered_at is not None:
        raise KeyUsedError(_KEY_409[call.switches.text_409_key].format(key=key), first_answered_at)
    call.team.idempotency.spend(key, call.now, call.now + call.answer_delay)


def _read_name(body: JsonObject, call: ApiCall) -> str:
    name = body.get("eventName")
    if not isinstance(name, str) or not name.strip():
        raise ApiRefusal(400, "eventName is required")
    if ":" in name and call.switches.colon_in_event_name == "400" and name not in call.team.patterns:
        raise ApiRefusal(400, "eventName must not contain a colon")
    return name


def _record(name: str, properties: dict[str, PropertyValue], contact: LoopsContact, call: ApiCall) -> None:
    team = call.team
    pattern = team.patterns.get(name)
    if pattern is None:
        pattern = team.patterns[name] = EventPattern(make_id(team.name, "event", name), name)
    for key, value in properties.items() if call.switches.undefined_event_property == "define" else ():
        pattern.property_types.setdefault(key, type_of(value))
    team.events.append(
        AcceptedEvent(
            n=len(team.events) + 1,
            at=call.now,
            team=team.name,
            name=name,
            properties=properties,
            contact_id=contact.id,
            email=contact.email,
            user_id=contact.user_id,
            idempotency_key=call.request.idempotency_key,
            mailed=call.mailed,
        )
    )
