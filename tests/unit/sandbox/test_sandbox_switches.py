"""Every switch, in each position."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx
import pytest

from segue_sandbox.core import Sandbox
from segue_sandbox.faults import InjectedFault
from segue_sandbox.switches import SwitchError, Switches, parse_assignments
from tests.unit.sandbox.in_process import ManualClock

from .calls import ADA, NEWS, Json, find, send, update


class Position(NamedTuple):
    switch: str
    value: Json
    scene: Callable[[httpx.Client, Sandbox], Any]
    seen: Any


def limited(api: httpx.Client, sandbox: Sandbox) -> httpx.Response:
    sandbox.change_switches({"rate_limit": 1})
    api.get("/lists")
    return api.get("/lists")


def retry_after(api: httpx.Client, sandbox: Sandbox) -> float | None:
    text = limited(api, sandbox).headers.get("retry-after")
    if text is None or text.isdecimal():
        return text and float(text)
    return parsedate_to_datetime(text).timestamp() - sandbox.clock.unix()


def statuses(*calls: Callable[[httpx.Client], httpx.Response]) -> Callable[[httpx.Client, Sandbox], list[int]]:
    return lambda api, _: [call(api).status_code for call in calls]


def stored(name: str, **body: Json) -> Callable[[httpx.Client, Sandbox], Any]:
    """The status of an update, and what the contact then shows of a property."""

    def scene(api: httpx.Client, _: Sandbox) -> Any:
        return update(api, email=ADA, **body).status_code, (find_or_none(api) or {}).get(name)

    return scene


def find_or_none(api: httpx.Client) -> Json:
    found = api.get("/contacts/find", params={"email": ADA}).json()
    return found[0] if found else None


def clash(api: httpx.Client, _: Sandbox) -> Any:
    update(api, email=ADA, seats=1)
    return update(api, email=ADA, seats="2").status_code, find(api, email=ADA)["seats"]


def event_nested(api: httpx.Client, sandbox: Sandbox) -> Any:
    status = send(api, email=ADA, eventProperties={"items": [1, {"a": "ä"}]}).status_code
    return status, [event.properties for event in sandbox.events]


def retry_after_400(api: httpx.Client, _: Sandbox) -> list[int]:
    return [send(api, "key", email="nonsense").status_code, send(api, "key", email=ADA).status_code]


def retry_after_500(api: httpx.Client, sandbox: Sandbox) -> list[int]:
    sandbox.faults.add(InjectedFault(status=500, count=1))
    return [send(api, "key", email=ADA).status_code, send(api, "key", email=ADA).status_code]


def leave_and_return(api: httpx.Client, sandbox: Sandbox) -> Any:
    update(api, email=ADA, mailingLists={NEWS: True})
    sandbox.leave_list(NEWS, email=ADA)
    return update(api, email=ADA, plan="pro", mailingLists={NEWS: True}).status_code, "plan" in find(api, email=ADA)


def webhook_platform(api: httpx.Client, _: Sandbox) -> Json:
    send(api, email=ADA, eventName="E")
    (pattern,) = api.get("/event-patterns").json()["data"]
    return pattern["incomingWebhookPlatform"]


def event_properties(api: httpx.Client, _: Sandbox) -> Json:
    send(api, email=ADA, eventName="E", eventProperties={"plan": "pro"})
    shown: dict[str, Json] = api.get("/event-patterns/by-name/E").json()
    return shown["eventProperties"]


def create_twice(api: httpx.Client, _: Sandbox) -> Any:
    return [api.post("/contacts/create", json={"email": ADA}).json().get("message") for _ in range(2)][-1]


def use_key_twice(api: httpx.Client, _: Sandbox) -> Any:
    return [send(api, "key", email=ADA).json().get("message") for _ in range(2)][-1]


def second_answer_delay(api: httpx.Client, sandbox: Sandbox) -> float | None:
    """How long the second of two requests at once waits for its 409, when the first takes a second."""
    sandbox.change_switches({"latency_ms": 1000})
    send(api, "key", email=ADA)
    sandbox.change_switches({"latency_ms": 0})
    assert send(api, "key", email=ADA).status_code == 409
    entry = sandbox.ledger.entries[-1]
    return entry.ended_at and entry.ended_at - entry.request.arrival


def burst(api: httpx.Client, sandbox: Sandbox) -> list[int]:
    """Statuses of five requests a quarter of a second apart, over a limit of two."""
    clock = sandbox.clock
    assert isinstance(clock, ManualClock)
    seen = []
    for _ in range(6):
        seen.append(api.get("/lists").status_code)
        clock.tick(0.25)
    return seen


def with_limit(limit: int, scene: Callable[[httpx.Client, Sandbox], Any]) -> Callable[[httpx.Client, Sandbox], Any]:
    def limited_scene(api: httpx.Client, sandbox: Sandbox) -> Any:
        sandbox.change_switches({"rate_limit": limit})
        return scene(api, sandbox)

    return limited_scene


def shift(seconds: float, scene: Callable[[httpx.Client, Sandbox], Any]) -> Callable[[httpx.Client, Sandbox], Any]:
    def shifted(api: httpx.Client, sandbox: Sandbox) -> Any:
        assert isinstance(sandbox.clock, ManualClock)
        sandbox.clock.tick(seconds)
        return scene(api, sandbox)

    return shifted


def tags(api: httpx.Client, _: Sandbox) -> Any:
    return update(api, email=ADA, tags=["a", "b"]).status_code, (find_or_none(api) or {}).get("tags")


def bad_key(api: httpx.Client, _: Sandbox) -> Any:
    return api.get("/lists", headers={"Authorization": "Bearer nobody"}).headers.get("x-ratelimit-remaining")


def delete_as_array(api: httpx.Client, _: Sandbox) -> int:
    update(api, email=ADA, userId="u1")
    return api.post("/contacts/delete", json={"userId": ["u1"]}).status_code


def same_address(api: httpx.Client, _: Sandbox) -> bool:
    return bool(update(api, email=ADA).json()["id"] == update(api, email=ADA.title()).json()["id"])


def bad_request(api: httpx.Client, _: Sandbox) -> set[str]:
    return set(update(api).json())


def failures(api: httpx.Client, _: Sandbox) -> int:
    failed = 0
    for _attempt in range(20):
        try:
            failed += api.get("/lists").status_code != 200
        except httpx.RemoteProtocolError:
            failed += 1
    return failed


def delay(api: httpx.Client, sandbox: Sandbox) -> float | None:
    api.get("/lists")
    entry = sandbox.ledger.entries[-1]
    return entry.ended_at and round(entry.ended_at - entry.request.arrival, 3)


LIST_TEXT = {NEWS: "true"}
POSITIONS = [
    Position("rate_limit", 2, lambda api, _: [api.get("/lists").status_code for _ in range(3)], [200, 200, 429]),
    Position("rate_limit", 3, lambda api, _: [api.get("/lists").status_code for _ in range(3)], [200, 200, 200]),
    Position("window", "sliding", shift(0.5, with_limit(2, burst)), [200, 200, 429, 429, 200, 200]),
    Position("window", "fixed", shift(0.5, with_limit(2, burst)), [200, 200, 200, 200, 429, 429]),
    Position("rejected_use_quota", False, with_limit(1, burst), [200, 429, 429, 429, 200, 429]),
    Position("rejected_use_quota", True, with_limit(1, burst), [200, 429, 429, 429, 429, 429]),
    Position("drain", 0, with_limit(2, burst), [200, 200, 429, 429, 200, 200]),
    Position("drain", 1, with_limit(2, burst), [200, 429, 429, 429, 200, 429]),
    Position("rate_headers_without_team", False, bad_key, None),
    Position("rate_headers_without_team", True, bad_key, "1000"),
    Position("body_429", "json", lambda api, box: limited(api, box).json()["success"], False),
    Position("body_429", "text", lambda api, box: limited(api, box).text, "Too Many Requests"),
    Position("body_429", "empty", lambda api, box: limited(api, box).content, b""),
    Position("retry_after_429", "none", retry_after, None),
    Position("retry_after_429", "seconds", retry_after, 1),
    Position("retry_after_429", "date", retry_after, 2),
    Position("post_update_ok", True, statuses(lambda api: api.post("/contacts/update", json={"email": ADA})), [200]),
    Position("post_update_ok", False, statuses(lambda api: api.post("/contacts/update", json={"email": ADA})), [405]),
    Position("legacy_error_keys", False, bad_request, {"success", "message"}),
    Position("legacy_error_keys", True, bad_request, {"success", "message", "error"}),
    Position("max_body_bytes", 10, statuses(lambda api: update(api, email=ADA)), [413]),
    Position("max_body_bytes", 100, statuses(lambda api: update(api, email=ADA)), [200]),
    Position("numeric_user_id", "reject", stored("userId", userId=7), (400, None)),
    Position("numeric_user_id", "accept", stored("userId", userId=7), (200, "7")),
    Position("email_matching", "folded", same_address, True),
    Position("email_matching", "exact", same_address, False),
    Position("email_matching", "folded", statuses(lambda api: update(api, email=f" {ADA}")), [200]),
    Position("email_matching", "exact", statuses(lambda api: update(api, email=f" {ADA}")), [400]),
    Position("reserved_keys", "ignore", statuses(lambda api: update(api, email=ADA, teamId="x")), [200]),
    Position("reserved_keys", "400", statuses(lambda api: update(api, email=ADA, teamId="x")), [400]),
    Position("unknown_property", "create", stored("plan", plan="pro"), (200, "pro")),
    Position("unknown_property", "ignore", stored("plan", plan="pro"), (200, None)),
    Position("unknown_property", "ignore", stored("firstName", firstName="Ada"), (200, "Ada")),
    Position("type_clash", "400", clash, (400, 1)),
    Position("type_clash", "ignore", clash, (200, 1)),
    Position("type_clash", "coerce", clash, (200, 2)),
    Position("type_clash", "ignore", stored("createdAt", createdAt="soon"), (200, None)),
    Position("type_clash", "coerce", stored("createdAt", createdAt=True), (200, None)),
    Position("type_clash", "coerce", stored("firstName", firstName=True), (200, "true")),
    Position("nested_value", "400", tags, (400, None)),
    Position("nested_value", "ignore", tags, (200, None)),
    Position("nested_value", "stringify", tags, (200, '["a","b"]')),
    Position("nested_value", "stringify", statuses(lambda api: update(api, email=ADA, a=["x" * 500])), [400]),
    Position("nested_value", "400", event_nested, (400, [])),
    Position("nested_value", "ignore", event_nested, (200, [{}])),
    Position("nested_value", "stringify", event_nested, (200, [{"items": '[1,{"a":"ä"}]'}])),
    Position("list_value", "400", stored("mailingLists", mailingLists=LIST_TEXT), (400, None)),
    Position("list_value", "coerce", stored("mailingLists", mailingLists=LIST_TEXT), (200, {NEWS: True})),
    Position("list_value", "coerce", stored("mailingLists", mailingLists={NEWS: "yes"}), (400, None)),
    Position("unknown_list", "400", stored("mailingLists", mailingLists={"nope": True}), (400, None)),
    Position(
        "unknown_list", "ignore", stored("mailingLists", mailingLists={"nope": True, NEWS: True}), (200, {NEWS: True})
    ),
    Position(
        "add_unsubscribed", "ignore", stored("subscribed", subscribed=False, mailingLists={NEWS: True}), (200, False)
    ),
    Position("add_unsubscribed", "400", stored("subscribed", subscribed=False, mailingLists={NEWS: True}), (400, None)),
    Position("add_after_leaving", "ignore", leave_and_return, (200, True)),
    Position("add_after_leaving", "400", leave_and_return, (400, False)),
    Position("colon_in_event_name", "accept", statuses(lambda api: send(api, email=ADA, eventName="a:b")), [200]),
    Position("colon_in_event_name", "400", statuses(lambda api: send(api, email=ADA, eventName="a:b")), [400]),
    Position("text_409_key", "key", use_key_twice, "Request with idempotency key key has already been processed."),
    Position(
        "text_409_key", "different_body", use_key_twice, "Idempotency key already used with a different request body."
    ),
    Position("text_409_key", "processed", use_key_twice, "Request has already been processed."),
    Position("key_spent_on", "success", retry_after_400, [400, 200]),
    Position("key_spent_on", "any_authenticated", retry_after_400, [400, 409]),
    Position("key_spent_on", "success", retry_after_500, [500, 200]),
    Position("key_spent_on", "any_authenticated", retry_after_500, [500, 409]),
    Position("concurrent_key", "conflict", second_answer_delay, 0),
    Position("concurrent_key", "wait", second_answer_delay, 1),
    Position("undefined_event_property", "define", event_properties, [{"name": "plan", "type": "string"}]),
    Position("undefined_event_property", "ignore", event_properties, []),
    Position("webhook_platform", "text", webhook_platform, "null"),
    Position("webhook_platform", "none", webhook_platform, None),
    Position("text_409_create", "on_list", create_twice, "Email or userId is already on list."),
    Position("text_409_create", "already_exists", create_twice, "A contact with this email or userId already exists."),
    Position("delete_user_id_array", "400", delete_as_array, 400),
    Position("delete_user_id_array", "first", delete_as_array, 200),
    Position("latency_ms", 0, delay, 0),
    Position("latency_ms", 250, delay, 0.25),
    Position("fail", 0, failures, 0),
    Position("fail", 1, failures, 20),
]


@pytest.mark.parametrize("position", POSITIONS, ids=lambda each: f"{each.switch}={each.value}")
def test_position(sandbox: Sandbox, api: httpx.Client, position: Position) -> None:
    sandbox.change_switches({position.switch: position.value})
    assert position.scene(api, sandbox) == position.seen


def test_every_switch_is_tried_in_at_least_two_positions() -> None:
    tried: dict[str, set[str]] = {}
    for position in POSITIONS:
        tried.setdefault(position.switch, set()).add(str(position.value))
    assert tried.keys() == Switches.model_fields.keys()
    assert [name for name, values in tried.items() if len(values) < 2] == []


@pytest.mark.parametrize("name", Switches.model_fields)
def test_every_switch_is_explained(name: str) -> None:
    assert Switches.model_fields[name].description


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"unknown_lists": "ignore"}, "unknown_lists: no such switch; known are add_after_leaving, "),
        ({"unknown_list": "maybe"}, "unknown_list: Input should be"),
        ({"rate_limit": 0}, "rate_limit: Input should be greater than or equal to 1"),
    ],
)
def test_bad_switches_are_named_and_change_nothing(sandbox: Sandbox, changes: Json, problem: str) -> None:
    before = sandbox.switches
    with pytest.raises(SwitchError) as caught:
        sandbox.change_switches({"drain": 1, **changes})
    assert str(caught.value).startswith(problem)
    assert sandbox.switches == before


def test_values_may_be_text_and_400_a_number() -> None:
    changed = Switches().changed({"rate_limit": "7", "post_update_ok": "false", "reserved_keys": 400})
    assert (changed.rate_limit, changed.post_update_ok, changed.reserved_keys) == (7, False, "400")


def test_assignments() -> None:
    assert parse_assignments(["unknown-list=ignore", "drain = 2"]) == {"unknown_list": "ignore", "drain": "2"}
    with pytest.raises(SwitchError, match="write NAME=VALUE"):
        parse_assignments(["drain"])
