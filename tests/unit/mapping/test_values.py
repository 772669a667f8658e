"""Values that Loops refuses: repaired, left out or noticed, and never in the way of others."""

import copy
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from segue_worker.errors import PayloadError
from segue_worker.mapping import Request, compile_destination_mapping, encode_body
from segue_worker.mapping.fields import ActionName
from segue_worker.mapping.values import RULES, Values, repair
from tests.unit.sandbox.in_process import SandboxTransport

GONE = object()
SECONDS, MILLISECONDS = 1_700_000_000, 1_700_000_000_000

EXAMPLES: list[tuple[str, Any, Any, str]] = [
    # key, value, what is sent, which rule says so
    ("address", {"city": "London"}, GONE, "object"),
    ("tags", ["a"], GONE, "list"),
    ("bio", "x" * 498, "x" * 498, ""),
    ("bio", "x" * 499, GONE, "long"),
    ("bio", "\n" * 250, GONE, "long"),
    ("k" * 499, 1, GONE, "long key"),
    ("teamId", "t1", GONE, "reserved"),
    ("email", "no address", GONE, "address"),
    ("email", 12, GONE, "address"),
    ("email", ["a@example.com"], GONE, "list"),
    ("email", None, None, ""),
    ("firstName", 12, "12", "text"),
    ("lastName", True, "true", "text"),
    ("firstName", None, None, ""),
    ("userId", 777.0, "777", "text"),
    ("subscribed", "true", True, "boolean"),
    ("subscribed", "false", False, "boolean"),
    ("subscribed", "yes", GONE, "no boolean"),
    ("subscribed", None, GONE, "no boolean"),
    ("createdAt", SECONDS, MILLISECONDS, "unit"),
    ("createdAt", str(SECONDS), MILLISECONDS, "unit"),
    ("createdAt", SECONDS + 0.5, MILLISECONDS + 500, "unit"),
    ("createdAt", MILLISECONDS * 1000, MILLISECONDS, "unit"),
    ("createdAt", MILLISECONDS * 1_000_000, MILLISECONDS, "unit"),
    ("createdAt", MILLISECONDS, MILLISECONDS, ""),
    ("createdAt", str(MILLISECONDS), str(MILLISECONDS), ""),
    ("createdAt", -SECONDS, -MILLISECONDS, "unit"),
    ("createdAt", 0, 0, ""),
    ("createdAt", None, None, ""),
    ("createdAt", "2026-01-02", "2026-01-02", ""),
    ("createdAt", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", ""),
    ("createdAt", "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05.000+02:00", "date"),
    ("createdAt", "Fri, 02 Jan 2026 03:04:05 GMT", 1_767_323_045_000, "date"),
    ("createdAt", "2026-02-30", GONE, "no date"),
    ("createdAt", "soon", GONE, "no date"),
    ("createdAt", "", GONE, "no date"),
    ("createdAt", True, GONE, "no date"),
    ("createdAt", 1e300, GONE, "no date"),
    ("seen", "2026-01-02T03:04:05.678901", "2026-01-02T03:04:05.678", "date"),
    ("seen", "2026-01-02T03:04:05.678901+00:00", "2026-01-02T03:04:05.678+00:00", "date"),
    ("seen", "2026-01-02t03:04:05.6z", "2026-01-02T03:04:05.600Z", "date"),
    ("seen", "2026-01-02 03:04:05.678901+00:19:32", "2026-01-02 02:44:33.678+00:00", "date"),
    ("seen", "2026-13-02T03:04:05.678901", "2026-13-02T03:04:05.678901", ""),
    ("seen", "2026-01-02T03:04 at the gate", "2026-01-02T03:04 at the gate", ""),
    ("trialEndsAt", SECONDS, SECONDS, "seconds"),
    ("trial_end_date", SECONDS, SECONDS, "seconds"),
    ("lastSeenAt", SECONDS + 0.25, SECONDS + 0.25, "seconds"),
    ("revenue", SECONDS, SECONDS, ""),
    ("trialEndsAt", MILLISECONDS, MILLISECONDS, ""),
    ("eventName", {"a": 1}, GONE, "object"),
    ("eventName", " ", GONE, "no text"),
    ("eventName", 12, "12", "text"),
    ("eventProperties", "flat", GONE, "no object"),
    ("mailingLists", {"a": True, "b": "yes"}, {"a": True}, "lists"),
    ("mailingLists", [{"listId": "a", "subscribed": True}], {"a": True}, "choices"),
    ("mailingLists", None, {}, "lists"),
]


@pytest.mark.parametrize(("key", "value", "sent", "rule"), EXAMPLES)
def test_each_value_is_sent_as_loops_takes_it_or_left_out(key: str, value: Any, sent: Any, rule: str) -> None:
    body, repairs = repair({"before": 1, key: value, "after": 2}, "sendEvent")

    assert body == {"before": 1, **({} if sent is GONE else {key: sent}), "after": 2}
    assert [each.rule for each in repairs] == [rule] * bool(rule)
    assert all(key.startswith(each.key.removesuffix("…")) for each in repairs)


def test_the_examples_show_every_rule_and_every_rule_has_its_source() -> None:
    assert {rule for *_, rule in EXAMPLES} - {""} == RULES.keys() - {"unknown"}
    page = (Path(__file__).parents[3] / "docs/loops.md").read_text(encoding="utf-8")
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    assert {rule.source for rule in RULES.values()} <= headings
    assert all(f"| {rule.why} |" in page for rule in RULES.values())


def test_properties_of_events_and_ids_of_lists_are_looked_into() -> None:
    fields = {"items": [], "bio": "x" * 600, "ok": 1, "mailingLists": {"x": 1}}
    body, repairs = repair({"eventProperties": fields, "mailingLists": {"a": True, "b" * 500: True}}, "sendEvent")

    assert body == {"eventProperties": {"ok": 1}, "mailingLists": {"a": True}}
    assert [each.key for each in repairs] == [
        *("eventProperties.items", "eventProperties.bio", "eventProperties.mailingLists"),
        f"mailingLists.{'b' * 40}…",
    ]


def test_names_of_events_are_ordinary_properties_of_a_contact() -> None:
    body = {"eventName": 12, "eventProperties": "flat"}
    assert repair(body, "createOrUpdateContact") == (body, ())


def request(event: dict[str, Any], *, values: Values, action: ActionName = "createOrUpdateContact") -> Request:
    compiled = compile_destination_mapping(
        name="m", action=action, trigger=None, enabled=True, defaults=True, fields={}, values=values
    )
    made = compiled.render({"type": "identify" if action == "createOrUpdateContact" else "track", **event})
    assert made is not None
    return made


BAD = {"userId": "u1", "traits": {"plan": "pro", "address": {"city": "London"}, "createdAt": SECONDS}}


def test_the_contact_is_updated_with_the_rest() -> None:
    made = request(BAD, values="repair")

    assert made.body == {
        "plan": "pro",
        "createdAt": MILLISECONDS,
        "source": "Segment",
        "userId": "u1",
        "mailingLists": {},
    }
    assert [(each.key, each.fate) for each in made.repairs] == [("address", "left out"), ("createdAt", "repaired")]


def test_refused_the_key_is_named_and_never_the_value() -> None:
    with pytest.raises(PayloadError, match=r"^address: a property cannot hold an object") as raised:
        request(BAD, values="refuse")
    assert "London" not in str(raised.value)
    made = request({"userId": "u1", "traits": {"createdAt": SECONDS}}, values="refuse")
    assert made.body["createdAt"] == MILLISECONDS, "what loses nothing is no reason to refuse"


_CHOICES: st.SearchStrategy[Any] = st.sampled_from([True, False, "true", "false", "yes", 1, 0, None, {"a": True}, []])
_LISTS = st.one_of(
    st.dictionaries(st.sampled_from(["a", "b", "2", "1"]), _CHOICES),
    st.lists(st.fixed_dictionaries({"listId": st.sampled_from("ab")}, optional={"subscribed": _CHOICES})),
    st.lists(_CHOICES),
    _CHOICES,
)


@given(lists=_LISTS, mapped=st.booleans(), action=st.sampled_from(["createOrUpdateContact", "sendEvent"]))
def test_lists_are_joined_and_left_as_at_segment_and_what_is_left_out_is_said(
    *, lists: Any, mapped: bool, action: ActionName
) -> None:
    fields = {"userId": "u1", "eventName": "E"} | ({"mailingLists": {"@path": "lists"}} if mapped else {})
    where = "lists" if mapped else "traits"
    event = {where: lists if mapped else {"mailingLists": lists}}
    fields["customAttributes" if action == "createOrUpdateContact" else "contactProperties"] = {"@path": "traits"}

    def rendered(values: Values) -> Request | None:
        mapping = compile_destination_mapping(
            name="A", action=action, trigger='type != ""', enabled=True, defaults=False, fields=fields, values=values
        )
        try:
            return mapping.request(event)
        except PayloadError:
            return None

    kept, repaired = rendered("keep"), rendered("repair")
    assert (kept is None) == (repaired is None)
    if kept is None or repaired is None or (action == "sendEvent" and not mapped):
        return
    assert repaired.body == kept.body
    asked = {} if lists is None or lists == [] else lists
    if isinstance(asked, dict):
        texts = any(item in ("true", "false") for item in asked.values() if isinstance(item, str))
        wrong = any(
            not (item is None or isinstance(item, bool) or item in ("true", "false")) for item in asked.values()
        )
        said = [each.rule for each in repaired.repairs]
        assert said == (["lists"] if wrong else ["choices"] if texts else [])


def test_a_choice_that_is_neither_true_nor_false_is_refused_where_values_are() -> None:
    fields = {"userId": "u1", "mailingLists": {"a": {"@path": "yes"}, "b": {"@path": "nothing"}}}
    mapping = compile_destination_mapping(
        name="A",
        action="createOrUpdateContact",
        trigger=None,
        enabled=True,
        defaults=False,
        fields=fields,
        values="refuse",
    )
    with pytest.raises(PayloadError, match="mailingLists: a mailing list is joined by true"):
        mapping.request({"yes": "yes"})
    assert mapping.request({"yes": "true", "nothing": None}).body["mailingLists"] == {"a": True}


def test_kept_the_request_is_segments() -> None:
    made = request(BAD, values="keep")

    assert made.body["address"] == {"city": "London"}
    assert made.body["createdAt"] == SECONDS
    assert (made.repairs, [each.key for each in made.kept]) == ((), ["address", "createdAt"])


def test_a_request_that_would_be_for_nobody_is_none() -> None:
    with pytest.raises(PayloadError, match=r"^userId: the value is longer"):
        request({"userId": "u" * 600}, values="repair")
    made = request({"userId": "u" * 600, "traits": {"email": "ada@example.com"}}, values="repair")
    assert "userId" not in made.body


texts = st.text(max_size=700) | st.sampled_from(
    [
        "",
        " ",
        "true",
        "a@example.com",
        "b@",
        "x" * 600,
        "1700000000",
        "2026-01-02",
        "2026-01-02T03:04:05.678901Z",
        "\ud800",
    ]
)
keys = st.text(max_size=600) | st.sampled_from(
    ["eventProperties", "mailingLists", "eventName", "email", "userId", "firstName", "subscribed", "createdAt", "id", "endsAt"]
)  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([SECONDS, MILLISECONDS, MILLISECONDS * 1000, 10**500])
    | st.floats(allow_nan=False)
    | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(keys, values, max_size=6)
actions = st.sampled_from(["createOrUpdateContact", "sendEvent"])


@given(body=bodies, action=actions)
def test_what_was_repaired_needs_no_more_and_nothing_is_changed_in_place(
    body: dict[str, Any], action: ActionName
) -> None:
    before = copy.deepcopy(body)
    repaired, repairs = repair(body, action)

    assert body == before
    assert repair(repaired, action)[0] == repaired
    assert all(each.fate == "noticed" for each in repair(repaired, action)[1])
    assert repairs or repaired is body


@given(body=bodies, action=actions)
def test_a_glance_says_what_the_whole_look_says(body: dict[str, Any], action: ActionName) -> None:
    repaired, repairs = repair(body, action)
    # With a value at fault behind them, all the others are looked at one by one.
    looked_at, found = repair({**body, "teamId": 1}, action)

    assert [each for each in found if each.key != "teamId"] == [each for each in repairs if each.key != "teamId"]
    assert {**looked_at, "teamId": 1} == {**repaired, "teamId": 1}


STRICT = Switches(
    rate_limit=10_000, reserved_keys="400", nested_value="400", type_clash="400", numeric_user_id="reject",
    list_value="400", unknown_list="ignore", max_body_bytes=10_000_000,
)  # fmt: skip
ABOUT_NOBODY = {"An email or userId is required.", "eventName is required"}
"""Of such a request the mapping makes a dead letter, so that it is never sent."""


@settings(deadline=None, max_examples=300)
@given(body=bodies, action=actions, known=st.booleans())
async def test_loops_never_refuses_a_repaired_body_for_a_value(
    body: dict[str, Any], action: ActionName, *, known: bool
) -> None:
    if known:
        body = {**body, "email": "ada@example.com", "eventName": "E"}
    repaired, _ = repair(body, action)
    path = "/contacts/update" if action == "createOrUpdateContact" else "/events/send"
    async with httpx.AsyncClient(
        transport=SandboxTransport(Sandbox(STRICT)),
        base_url="http://sandbox/api/v1",
        headers={"Authorization": "Bearer sandbox-key"},
    ) as client:
        answer = await client.request("PUT" if "update" in path else "POST", path, content=encode_body(repaired))
    said = answer.json().get("message", "")
    assert answer.is_success or said in ABOUT_NOBODY or "not found" in said, said
