"""What Loops does not know is seen: by check, schema, dashboard, metric, trace and preview; and asking harms no delivery."""

import json
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from segue_producer.keys import Keys
from segue_worker.observing.metrics.exposition import render
from segue_worker.schema.known import read_known
from segue_worker.schema.sent import KEYS_MOST, read_sent

from .commands import segue, start
from .stack import API_KEY, MakeStack, Stack, wait_until

ADA = {"email": "ada@example.com"}
LIST = "clxf1nxlb000t0ml79ajwcsj0"
MAPPINGS = [
    {
        "name": "Contacts",
        "action": "createOrUpdateContact",
        "fields": {
            "customAttributes": {
                "@merge": {
                    "direction": "right",
                    "objects": [{"@path": "$.traits"}, {"favouriteColour": "red", "age": "12"}],
                }
            },
            "mailingLists": {"no-such-list": True, LIST: True},
        },
    },
    {
        "name": "Events",
        "action": "sendEvent",
        "fields": {"eventName": "Signed Up", "eventProperties": {"plan": "pro", "plann": "pro"}},
    },
]
IGNORING = {"unknown_property": "ignore", "unknown_list": "ignore", "type_clash": "ignore"}
UNANSWERED = ("/contacts/properties", "/lists", "/event-patterns/by-name/Signed Up")


def command(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    with start(stack, *arguments) as process:
        stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def prepared(stack: Stack) -> None:
    """Let Loops know the event and one of its properties, and `age` as a number; from then on nothing new."""
    headers = {"authorization": f"Bearer {API_KEY}"}
    for path, body in (
        ("/contacts/properties", {"name": "age", "type": "number"}),
        ("/events/send", {"eventName": "Signed Up", **ADA, "eventProperties": {"plan": "free"}}),
    ):
        httpx.post(stack.sandbox.base_url + path, json=body, headers=headers, trust_env=False).raise_for_status()
    stack.sandbox.switches(undefined_event_property="ignore")


def statuses(found: dict[str, Any]) -> dict[str, str]:
    (event,) = found["events"]
    return {
        **{each["name"]: each["status"] for each in found["properties"]},
        **{each["id"]: each["status"] for each in found["lists"]},
        **{f"{event['name']}: {each['name']}": each["status"] for each in event["properties"]},
    }


def test_what_loops_does_not_know_is_named_everywhere_and_made(make_stack: MakeStack) -> None:
    stack = make_stack(mappings=MAPPINGS, sandbox={"switches": IGNORING})
    prepared(stack)
    code, _, said = command(stack, "check", "--online")
    assert code == 1, said
    named = ("'favouriteColour'", "'age'", "'no-such-list'", "'plann'")
    for name in named:
        assert re.search(rf"segue\.yaml:\d+: .*{name}", said), said
    assert "'plan'" not in said

    worker = stack.worker()
    stack.producer.identify("u1", ADA)
    stack.producer.track("u1", "Anything", context={"traits": ADA})
    stack.wait_delivered()
    wait_until(lambda: "Signed Up" in read_known(stack.redis, "loops").events)
    stack.producer.identify("u1", {"email": "grace@example.com"}, message_id="who")
    stack.wait_delivered()
    found = statuses(segue(stack, "schema", "--json"))
    wrong = {
        "favouriteColour": "unknown",
        "age": "type differs",
        "no-such-list": "unknown",
        "Signed Up: plann": "unknown",
    }
    assert {name: status for name, status in found.items() if status != "ok"} == wrong
    metric = [line for line in render(stack.redis, ["loops"]).decode().splitlines() if "segue_unknown_prop" in line]
    for name, status in wrong.items():
        assert any(f'name="{name}"' in line and f'status="{status}"' in line for line in metric), metric
        assert (
            sum(
                repr(name.rpartition(": ")[2]) in line and "Loops" in line
                for line in worker.log.read_text().splitlines()
            )
            == 1
        )
    (trail,) = segue(stack, "trace", "who", "--json")
    marked = {step["key"] for step in trail["steps"] if step["what"] == "value"}
    assert {"favouriteColour", "mailingLists.no-such-list"} <= marked

    assert command(stack, "schema", "--create")[0] == 2
    code, _, said = command(stack, "schema", "--create", "--yes")
    assert code == 0, said
    assert "made: property 'favouriteColour', string" in said
    stack.producer.identify("u1", ADA)
    stack.wait_delivered()
    (contact,) = stack.sandbox.contacts()
    assert contact["favouriteColour"] == "red"
    assert statuses(segue(stack, "schema", "--json"))["favouriteColour"] == "ok"
    assert 'name="favouriteColour"' not in render(stack.redis, ["loops"]).decode()


@pytest.mark.parametrize("fault", [{"status": 500}, {"kind": "delay_before_apply", "delay_ms": 60_000}])
def test_where_loops_does_not_answer_that_deliveries_go_on(make_stack: MakeStack, fault: dict[str, Any]) -> None:
    limit = 20
    stack = make_stack(mappings=[{**MAPPINGS[1], "fields": {}}], rate_limit=limit, timeout="2s", coalesce="off")
    stack.sandbox.faults([{**fault, "path": path} for path in UNANSWERED])
    stack.worker()
    for number in range(3 * limit):
        stack.producer.track(
            f"u{number}", "Signed Up", {"plan": "x"}, context={"traits": {"email": f"u{number}@example.com"}}
        )
    stack.wait_delivered()
    assert stack.delivered == 3 * limit
    assert not stack.redis.exists(Keys("loops").paused)
    wait_until(lambda: read_known(stack.redis, "loops").problem != "")
    code, stdout, said = command(stack, "schema", "--json")
    assert (code, json.loads(stdout)["events"][0]["status"]) == (0, "not asked")
    assert "loops: " in said
    arrivals = sorted(request["at"] for request in stack.sandbox.requests(schema=True))
    assert all(later - first > 1 for first, later in zip(arrivals, arrivals[limit:], strict=False))
    assert Counter(request["status"] for request in stack.sandbox.requests(schema=True))[429] == 0


def test_no_more_names_are_kept_than_there_is_room_for(make_stack: MakeStack) -> None:
    stack = make_stack(mappings=[MAPPINGS[0] | {"fields": {}}], coalesce="off")
    worker = stack.worker()
    for number in range(10):
        keys = {f"random{number:02}{key:08}": key for key in range(500)}
        stack.producer.identify(f"u{number}", {"email": f"u{number}@example.com", **keys})
    stack.wait_delivered()
    wait_until(lambda: "further ones are not noted" in worker.log.read_text())
    assert len(read_sent(stack.redis, "loops")) == KEYS_MOST + 1
    assert (stack.redis.memory_usage(Keys("loops").sent) or 0) <= 100 * KEYS_MOST
    stack.producer.identify("u11", {"email": "u11@example.com", **{f"more{key}": 1 for key in range(500)}})
    stack.wait_delivered()
    worker.stop()
    assert worker.log.read_text().count("further ones are not noted") == 1
    assert len(read_sent(stack.redis, "loops")) == KEYS_MOST + 1


def test_what_loops_refuses_to_make_keeps_nothing_else_from_being_made(make_stack: MakeStack) -> None:
    stack = make_stack()
    sent = {"pid": "s", "pzeta": "n", "pnothing": "", "ptwo": "sn", f"p{'a' * 54}…4e84b3": "s"}
    stack.redis.set(Keys("loops").sent, json.dumps({key: [types, 1, 1, "0000"] for key, types in sent.items()}))
    code, _, said = command(stack, "schema", "--create", "--yes")
    assert code == 1
    assert re.findall(r"^made: property '(\w+)', (\w+)$", said, re.MULTILINE) == [("two", "string"), ("zeta", "number")]
    assert "property 'id' was not made: Loops answered" in said
    assert "Loops refused to make 1 of them" in said
    for name in ("nothing", "a…4e84b3"):
        assert re.search(
            rf"not made here: .*{name}': Loops does not know it; .* or make it at Loops$", said, re.MULTILINE
        )
    assert read_known(stack.redis, "loops").properties["zeta"] == "number"


def test_a_mapping_that_a_variable_turns_off_is_not_asked_for(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFF", "false")
    off = MAPPINGS[0] | {"name": "Off", "enabled": "${OFF}", "fields": {"customAttributes": {"unheard": 1}}}
    stack = make_stack(mappings=[off])
    code, _, said = command(stack, "check", "--online")
    assert (code, "unheard" in said) == (0, False)


def test_a_contact_is_shown_masked_beside_what_waits(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.worker()
    stack.producer.identify("u1", {**ADA, "firstName": "Ada"})
    stack.wait_delivered()
    segue(stack, "pause", "loops")
    stack.producer.identify("u1", {**ADA, "firstName": "Adele"})
    masked = segue(stack, "contact", "u1", "--json")
    assert "Ada" not in json.dumps(masked)
    assert "ada@" not in json.dumps(masked)
    assert (masked["waiting"], masked["last_sent"]["outcome"]) == (1, "delivered")
    shown = segue(stack, "contact", "ada@example.com", "--reveal", "--json")
    assert (shown["loops"]["firstName"], shown["loops"]["email"]) == ("Ada", "ada@example.com")
    code, _, said = command(stack, "contact", "nobody")
    assert code == 1
    assert "Loops has no contact" in said
