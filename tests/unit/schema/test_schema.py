"""What was sent, noted without values and in a bounded room; and how it compares with what Loops knows."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.loops import LoopsClient
from segue_worker.mapping import Request
from segue_worker.observing.online import fixed_names
from segue_worker.schema.compare import compare, faults, to_dict
from segue_worker.schema.keeping import still_sent
from segue_worker.schema.known import Asking, Known, learn
from segue_worker.schema.sent import FULL, KEYS_MOST, SentKey, SentKeys, key_of, sent_from, type_of

MINUTE_MS = 60_000
NOW_MS = 1_800_000_000_000
NAMES = st.text(min_size=1, max_size=80)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.just("2026-01-02")
)


def contact(**body: Any) -> Request:
    return Request("Contacts", "createOrUpdateContact", "PUT", "/contacts/update", body)


def event(name: str, **properties: Any) -> Request:
    body = {"userId": "u1", "eventName": name, "eventProperties": properties}
    return Request("Events", "sendEvent", "POST", "/events/send", body)


async def written(redis: FakeAsyncRedis, *requests: Request, sent: SentKeys | None = None) -> dict[str, SentKey]:
    sent = sent or SentKeys()
    for each in requests:
        sent.note(each)
    await sent.write(redis, "loops", NOW_MS, at_once=True)
    packed: Any = await redis.get("segue:{loops}:sent")
    return sent_from(packed)


def kept(*requests: Request) -> dict[str, SentKey]:
    async def keep() -> dict[str, SentKey]:
        return await written(FakeAsyncRedis(), *requests)

    return asyncio.run(keep())


@pytest.mark.parametrize(
    ("value", "loops_type", "status"),
    [
        ("12", "number", "type differs"),
        (12, "number", "ok"),
        (1_700_000_000, "date", "type differs"),
        (1_700_000_000_000, "date", "ok"),
        ("1700000000000", "date", "ok"),
        ("2026-01-02T03:04:05Z", "date", "ok"),
        ("tomorrow", "date", "type differs"),
        (True, "string", "type differs"),
        ("true", "boolean", "type differs"),
        (False, "boolean", "ok"),
        ("2026-01-02", "string", "ok"),
        (None, "number", "ok"),
        (12, "a type of later", "ok"),
    ],
)
def test_types_are_those_that_loops_takes(value: Any, loops_type: str, status: str) -> None:
    (row,) = compare(kept(contact(x=value)), Known(at=1, properties={"x": loops_type}))
    assert (row.name, row.status, row.loops_type) == ("x", status, loops_type)


def test_each_kind_is_compared_and_what_was_not_asked_is_no_fault() -> None:
    requests = contact(colour="red", mailingLists={"good": True, "bad": False}), event("Signed Up", plan="pro", n=1)
    sent = kept(*requests, event("Other", x=1))
    known = Known(
        at=1, properties={"userId": "string"}, lists={"good": "News"}, events={"Signed Up": {"plan": "string"}}
    )
    rows = {(row.event, row.name): row.status for row in compare(sent, known)}
    assert rows == {
        ("", "colour"): "unknown",
        ("", "userId"): "ok",
        ("", "good"): "ok",
        ("", "bad"): "unknown",
        ("", "Signed Up"): "ok",
        ("Signed Up", "plan"): "ok",
        ("Signed Up", "n"): "unknown",
        ("", "Other"): "not asked",
        ("Other", "x"): "not asked",
    }
    assert faults(compare(sent, Known())) == []
    nowhere = compare(sent, Known(at=1, events={"Other": None}))
    assert {row.name for row in faults(nowhere) if row.kind == "event"} == {"Other", "x"}
    shape = to_dict("loops", compare(sent, known), known)
    assert [each["name"] for each in shape["events"]] == ["Other", "Signed Up"]
    assert [each["name"] for each in shape["events"][1]["properties"]] == ["n", "plan"]


@given(st.dictionaries(NAMES, VALUES, max_size=20), NAMES, st.dictionaries(NAMES, VALUES, max_size=20))
def test_what_loops_knows_is_never_called_unknown_however_names_are_spelled(
    body: dict[str, Any], name: str, properties: dict[str, Any]
) -> None:
    for key in ("mailingLists", "eventName", "eventProperties"):
        body.pop(key, None)
    sent = SentKeys()
    known = Known(
        at=1,
        properties=dict.fromkeys([*body, "userId"], "any"),
        events={name: dict.fromkeys(properties, "any")},
    )
    sent.hear(known)
    requests = contact(**body), event(name, **properties)
    assert [sent.unknown_in(each) for each in requests] == [(), ()]
    assert faults(compare(kept(*requests), known)) == []


@given(st.lists(st.sampled_from([contact(a="x"), contact(a=1, b=True), event("E", p=1), event("E"), event("F")])))
def test_every_event_is_counted_once(requests: list[Request]) -> None:
    expected = Counter[str]()
    for each in requests:
        expected.update(key_of("property", key) for key in each.body if not key.startswith("event"))
        if "eventName" in each.body:
            expected[key_of("event", each.body["eventName"])] += 1
            expected.update(key_of("event", key, each.body["eventName"]) for key in each.body["eventProperties"])
    assert {key: entry.times for key, entry in kept(*requests).items()} == expected


async def test_no_value_is_kept_nor_an_address_as_a_name() -> None:
    redis = FakeAsyncRedis()
    await written(redis, contact(**{"email": "ada@example.com", "bob@example.com": "secret", "bio": "secret"}))
    sent: Any = await redis.get("segue:{loops}:sent")
    raw = sent.decode()
    assert "example" not in raw
    assert "secret" not in raw


async def test_names_are_bounded_for_all_processes_and_each_keeps_counting_what_is_known() -> None:
    redis, first, second = FakeAsyncRedis(), SentKeys(), SentKeys()
    told: list[str] = []
    for number in range(10):
        for sent in (first, second):
            sent.note(contact(common=1, **{f"{id(sent)}-{number}-{key}": 1 for key in range(500)}))
            told += await sent.write(redis, "loops", NOW_MS + number * MINUTE_MS, at_once=True)
    packed: Any = await redis.get("segue:{loops}:sent")
    kept_keys = sent_from(packed)
    assert told.count(FULL) == 1
    assert len(kept_keys) == KEYS_MOST + 1
    assert kept_keys["pcommon"].times == 20
    assert all(len(each._written) <= KEYS_MOST + 1 for each in (first, second))


async def test_what_was_not_sent_for_a_month_makes_room() -> None:
    redis = FakeAsyncRedis()
    await redis.set("segue:{loops}:sent", json.dumps({"pold": ["s", 1, 3, "0000"]}))
    assert set(await written(redis, contact(new=1))) == {"pnew"}


def test_what_a_mapping_spells_out_is_found_where_it_stands() -> None:
    fields = {
        "customAttributes": {"@merge": {"objects": [{"@path": "$.traits"}, {"plan": "pro"}], "direction": "left"}},
        "mailingLists": [{"listId": "abc", "subscribed": True}],
        "eventProperties": {"x": {"@path": "$.y"}},
    }
    trigger = 'type = "track" and event = "Signed Up"'
    found = list(fixed_names({"action": "sendEvent", "trigger": trigger, "fields": fields}, ("m",)))
    assert [(each.kind, each.name, each.event) for each in found] == [
        ("property", "plan", ""),
        ("list", "abc", ""),
        ("event", "Signed Up", ""),
        ("event", "x", "Signed Up"),
    ]
    assert found[0].where == ("m", "fields", "customAttributes", "@merge", "objects", 1, "plan")
    assert found[2].where == ("m", "trigger")
    within = {"contactProperties": {"plan": 1, "eventName": "Other", "mailingLists": {"abc": True}}}
    assert [(each.kind, each.name) for each in fixed_names({"action": "sendEvent", "fields": within}, ())] == [
        ("property", "plan"),
        ("list", "abc"),
    ]
    not_event = {"action": "sendEvent", "trigger": 'event != "Other"', "fields": {}}
    assert list(fixed_names(not_event, ())) == []


PROPERTIES = [{"key": "plan", "type": "string"}]
LISTS = [{"id": "abc", "name": "News"}]
PATTERN = {"eventProperties": [{"name": "seats", "type": "number"}]}


ODD_PATTERNS: list[Any] = [[], {}, 0, False, "", {"eventProperties": {}}]
ODD_PATTERNS += [{"eventProperties": [{"name": name, "type": "string"}]} for name in (7, None)]
ODD_LISTS: list[Any] = [{}, "", [{"id": 7, "name": "News"}], [None]]
ODD_PROPERTIES: list[Any] = [{}, "", [{"key": None, "type": "string"}], [{"key": "plan"}]]


@pytest.mark.parametrize(
    ("properties", "lists", "pattern"),
    [
        *((PROPERTIES, LISTS, odd) for odd in ODD_PATTERNS),
        *((PROPERTIES, odd, PATTERN) for odd in ODD_LISTS),
        *((odd, LISTS, PATTERN) for odd in ODD_PROPERTIES),
    ],
)
async def test_an_answer_in_another_form_is_a_problem_and_changes_nothing(
    properties: Any, lists: Any, pattern: Any
) -> None:
    known = Known(at=1, properties={"plan": "string"})
    found = await learn(asking(properties, lists, pattern), known, NOW_MS, events=["Signed Up"])
    assert found == replace(known, problem="Loops' answer does not have the documented form")


@pytest.mark.parametrize("refused", [httpx.Response(404, html="<h1>no</h1>"), httpx.Response(400, json={})])
async def test_the_name_of_an_event_keeps_nothing_else_from_being_known(refused: httpx.Response) -> None:
    paths = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(path := request.url.raw_path.decode().removeprefix("/api/v1"))
        if path.endswith("a%2Fb"):
            return refused
        return httpx.Response(200, json=PATTERN if path.startswith("/event-patterns/by-name/") else [])

    client = LoopsClient("https://loops.example.com/api/v1", "key", transport=httpx.MockTransport(answer))
    names = ["..", ".", "a/b", "Signed Up"]
    known = await learn(Asking(client, None, 1_000_000), Known(), NOW_MS, events=names)
    assert (known.problem, known.events) == ("", {"Signed Up": {"seats": "number"}})
    assert paths[2:] == ["/event-patterns/by-name/a%2Fb", "/event-patterns/by-name/Signed%20Up"]


@pytest.mark.parametrize("odd", [None, 7, [], {}])
async def test_a_type_that_is_no_text_is_none(odd: Any) -> None:
    pattern = {"eventProperties": [{"name": "seats", "type": odd}]}
    asker = asking([{"key": "plan", "type": odd}], [{"id": "abc", "name": odd}], pattern)
    known = Known.from_json((await learn(asker, Known(), NOW_MS, events=["Signed Up"])).to_json())
    sent = await written(FakeAsyncRedis(), contact(plan="pro"), event("Signed Up", seats=5))
    assert {row.status for row in compare(sent, known) if row.name in ("plan", "seats", "Signed Up")} == {"ok"}


def asking(properties: Any, lists: Any, pattern: Any) -> Asking:
    """Asks a Loops that answers these."""
    answers = {"properties": properties, "lists": lists, "Signed%20Up": pattern}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.raw_path.decode().partition("?")[0].rpartition("/")[2]])

    client = LoopsClient("https://loops.example.com/api/v1", "key", transport=httpx.MockTransport(answer))
    return Asking(client, None, 1_000_000)


def test_events_that_are_no_longer_sent_are_forgotten() -> None:
    long = "Order " + "1" * 100
    sent = kept(event("Signed Up", seats=5), event(long))
    known = Known(at=1, events={"Signed Up": {}, long: None, "Order 1": {}})
    assert still_sent(sent, known) == Known(at=1, events={"Signed Up": {}, long: None})


@given(VALUES)
def test_every_value_has_a_type(value: Any) -> None:
    assert (type_of(value) == "") == (value is None)
