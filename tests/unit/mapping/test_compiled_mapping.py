import copy
from typing import Any

import pytest

from segue_worker.mapping import (
    CompiledMapping,
    MappingError,
    PayloadError,
    Request,
    TriggerError,
    compile_destination_mapping,
    encode_body,
    unknown_fields,
)


def _compile(action: str = "createOrUpdateContact", **options: Any) -> CompiledMapping:
    defaults: dict[str, Any] = {"name": "m", "trigger": None, "enabled": True, "defaults": True, "fields": {}}
    return compile_destination_mapping(action=action, **{**defaults, **options})


def _body(action: str, event: dict[str, Any], **options: Any) -> dict[str, Any]:
    before = copy.deepcopy(event)
    request = _compile(action, **options).render(event)
    assert event == before
    assert request is not None
    return request.body


def test_the_documentations_identify_call() -> None:
    event = {
        "type": "identify",
        "userId": "user-1",
        "traits": {
            "email": "adam@example.com",
            "firstName": "Adam",
            "favoriteColor": "blue",
            "mailingLists": {"list-1": True, "list-2": "false", "list-3": "other"},
        },
    }

    request = _compile().render(event)

    assert request == Request(
        mapping="m",
        action="createOrUpdateContact",
        method="PUT",
        path="/contacts/update",
        body={
            "email": "adam@example.com",
            "firstName": "Adam",
            "favoriteColor": "blue",
            "source": "Segment",
            "userId": "user-1",
            "mailingLists": {"list-1": True, "list-2": False},
        },
    )
    assert list(request.body) == ["email", "firstName", "favoriteColor", "source", "userId", "mailingLists"]


def test_the_documentations_track_call() -> None:
    event = {"type": "track", "userId": "user-1", "event": "User Registered"}

    request = _compile("sendEvent").render(event)

    assert request == Request(
        mapping="m",
        action="sendEvent",
        method="POST",
        path="/events/send",
        body={"eventName": "User Registered", "userId": "user-1"},
    )


def test_the_documentations_track_call_with_properties() -> None:
    event = {
        "type": "track",
        "userId": "user-1",
        "event": "User Registered",
        "properties": {"plan": "pro", "total": 30.0},
        "context": {"traits": {"email": "adam@example.com"}},
    }

    body = _body("sendEvent", event, trigger='type = "track" and event = "User Registered"')

    assert encode_body(body) == (
        b'{"email":"adam@example.com","eventName":"User Registered","userId":"user-1",'
        b'"eventProperties":{"plan":"pro","total":30}}'
    )


def test_mailing_lists_come_as_a_list_too() -> None:
    lists = [{"listId": "a", "subscribed": True}, {"listId": "b", "subscribed": "false"}, {"listId": "c"}]
    event = {"type": "identify", "userId": "u", "traits": {"mailingLists": lists}, "lists": lists[:1]}

    assert _body("createOrUpdateContact", event)["mailingLists"] == {"a": True, "b": False}
    mapped = {"mailingLists": {"@path": "$.lists"}}
    assert _body("createOrUpdateContact", event, fields=mapped)["mailingLists"] == {"a": True}


def test_an_event_carries_mailing_lists_only_if_mapped() -> None:
    event = {"type": "track", "userId": "u", "event": "E", "properties": {"lists": {"a": True, "b": 1}}}
    mapped = {"mailingLists": {"@path": "$.properties.lists"}}

    assert "mailingLists" not in _body("sendEvent", event)
    assert _body("sendEvent", event, fields=mapped)["mailingLists"] == {"a": True}


def test_contact_properties_override_in_the_reserved_places() -> None:
    event = {"type": "track", "userId": "u", "event": "E", "contact": {"plan": "pro", "email": "x", "userId": None}}

    body = _body("sendEvent", event, fields={"contactProperties": {"@path": "$.contact"}})

    assert list(body.items()) == [("email", "x"), ("eventName", "E"), ("userId", None), ("plan", "pro")]


def test_an_emptied_field_leaves_the_trait() -> None:
    event = {"type": "identify", "userId": "u", "traits": {"firstName": None, "lastName": "", "userId": "other"}}

    body = _body("createOrUpdateContact", event)

    assert body["firstName"] is None
    assert body["lastName"] == ""
    assert body["userId"] == "u"


def test_fields_override_defaults_and_null_removes_them() -> None:
    event = {"type": "identify", "userId": "u", "traits": {"email": "a@example.com"}}
    fields = {"source": "Segue", "customAttributes": None}

    assert _body("createOrUpdateContact", event, fields=fields) == {
        "email": "a@example.com",
        "source": "Segue",
        "userId": "u",
        "mailingLists": {},
    }
    assert _body("createOrUpdateContact", event, defaults=False, fields={"userId": {"@path": "$.userId"}}) == {
        "userId": "u",
        "mailingLists": {},
    }


def test_changing_a_body_leaves_the_event_and_other_bodies_alone() -> None:
    event = {"type": "identify", "userId": "u", "traits": {"mailingLists": {"a": True}, "x": 1}}
    before = copy.deepcopy(event)
    compiled = _compile(fields={"customAttributes": {"x": 1}})
    for mapping in (_compile(), compiled):
        request = mapping.render(event)
        assert request is not None
        request.body["x"] = 2
        request.body["mailingLists"]["b"] = True
    again = compiled.render(event)

    assert event == before
    assert again is not None
    assert again.body["x"] == 1


def test_what_does_not_fire_is_explained() -> None:
    event = {"type": "track", "userId": "u", "event": "Signed Up"}

    assert _compile(enabled=False).render(event) is None
    assert _compile(enabled=False).explain(event) == "the mapping is disabled"
    assert _compile().render(event) is None
    assert _compile().explain(event) == 'type = "identify": found "track"'
    assert _compile("sendEvent").explain(event) is None


def test_a_payload_that_breaks_the_rules_is_an_error_and_an_explanation() -> None:
    compiled, event = _compile(), {"type": "identify", "traits": {"email": "nope"}}

    with pytest.raises(PayloadError):
        compiled.render(event)
    assert compiled.explain(event) == (
        "userId is missing. Contact Email must be a valid email address string but it was not."
    )


def test_faults_are_reported_when_compiling() -> None:
    with pytest.raises(TriggerError):
        _compile(trigger="type is track")
    with pytest.raises(MappingError, match="no action 'sendEmail'"):
        _compile("sendEmail")
    with pytest.raises(MappingError) as failure:
        _compile(fields={"userId": [{"@nope": 1}], "source": {"@case": {"value": "x"}}})
    assert failure.value.problems == (
        '/source/@case @case requires a "operator" key.',
        "/userId/0 @nope is not a valid directive, got undefined.",
    )


def test_unknown_fields_are_named_with_the_nearest() -> None:
    assert unknown_fields("sendEvent", {"eventname": 1, "userId": 1, "xyzzy": 2}) == [
        "sendEvent has no field 'eventname'. Did you mean eventName?",
        "sendEvent has no field 'xyzzy'. It has email, eventName, userId, contactProperties, eventProperties, mailingLists.",
    ]
