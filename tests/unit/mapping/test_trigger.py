from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping import TriggerError, compile_trigger, point_out
from segue_worker.mapping.limits import MAX_TRIGGER_LENGTH

_EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "user-1",
    "properties": {
        "total": 30,
        "n": 5,
        "plan": "pro",
        "vip": True,
        "nul": None,
        "zero": 0,
        "text": "30",
        "and": "A",
        "product 1": {"price": 9},
        "list": ["a"],
        "é": 1,
    },
    "context": {"page": {"path": "/a"}},
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('type = "track"', True),
        ('type="track"', True),
        ('type = "Track"', False),
        ('type != "identify" and event = "Order Completed"', True),
        ('name != "x"', True),
        ("name = null", True),
        ("userId != null", True),
        ("properties.total = 30", True),
        ("properties.total = 030", True),
        ("properties.total != 5", True),
        ("properties.total = -3.5", False),
        ("properties.text = 30", False),
        ("properties.missing != 5", False),
        ('properties.missing != "x"', True),
        ("properties.total >= 30 and properties.total < 30.5", True),
        ("properties.vip > 0", False),
        ("properties.vip = true", True),
        ("properties.zero = false", False),
        ("properties.zero != null", True),
        ("properties.nul = null", True),
        ("properties.zero.x = 0", True),
        ('properties.\\and = "A"', True),
        ("properties.product\\ 1.price = 9", True),
        ('properties.list.\\0 = "a"', True),
        ("properties.\\é = 1", True),
        ("properties.n = 5", True),
        ('contains(event, "Order")', True),
        ('contains( properties.plan ,"r" )', True),
        ('!contains(event, "Order")', False),
        ('!contains(properties.missing, "x")', False),
        ('match(event, "Order*") and match(event, "*Completed")', True),
        ('match(event, "*")', True),
        ('match(event, "?rder*")', False),
        ('!match(userId, "x*")', True),
        ('(type = "x" or type = "track") and userId != null', True),
        ('(type = "x" and userId != null) or contains(context.page.path, "a")', True),
        ('type = "track"\n\tand event = "Order Completed"\n', True),
        ('event = "a\'b"', False),
    ],
)
def test_triggers_answer_as_they_read(text: str, *, answer: bool) -> None:
    trigger = compile_trigger(text)

    assert trigger.text == text
    assert trigger(_EVENT) is answer
    assert (trigger.explain(_EVENT) is None) is answer


@pytest.mark.parametrize(
    ("text", "at", "hint"),
    [
        ("", "", "the trigger is empty"),
        ("type", "", "compared with nothing"),
        ("type =", "", "a value belongs here"),
        ("type = 'track'", "'", "double quotes"),
        ("type = track", "track", "double quotes"),
        ("type = \u201ctrack\u201d", "\u201c", "straight double quotes"),
        ('type = "track', '"track', "never closed"),
        ('type == "track"', "==", "write `=`"),
        ('type => "track"', "=>", "`>=`"),
        ('type!="x"', '"x"', "space after `!=`"),
        ("properties.total >=5", "5", "space after `>=`"),
        ("properties.total>5", ">", "space before `>`"),
        ("properties.total = 3e1", "3e1", "plain digits"),
        ("properties.total = .5", ".5", "plain digits"),
        ('properties.total > "5"', '"5"', "without quotes"),
        ("properties.total > null", ">", "!= null"),
        ("properties.vip != true", "!=", "properties.vip = false"),
        ("properties.vip = TRUE", "TRUE", "write `true`"),
        ("event = 5", "5", '"5"'),
        ("event = null", "null", "contains(event"),
        ("userId > 5", ">", "`=` or `!=` only"),
        ("userId = true", "true", '"true"'),
        ('type = "a" and event = "b" or userId != null', "or", "no precedence"),
        ('type = "a" AND event = "b"', "AND", "lower case"),
        ('type = "a" event = "b"', "event", "`and` or `or`"),
        ('type = "a" and', "", "missing at the end"),
        ('or type = "a"', "or", "missing before"),
        ('not type = "a"', "not", "ignores `not`"),
        ('!(type = "a")', "!", "negate each condition"),
        ('!type = "a"', "!", "write `!=`"),
        ('! contains(event, "a")', "!", "without a space"),
        ('((type = "a"))', "(type", "do not nest"),
        ("()", "(", "no condition"),
        ('(type = "a"', "(type", "never closed"),
        ('type = "a")', ")", "closes nothing"),
        ('(contains(event, "a") or type = "b")', "contains", "outside parentheses"),
        ('type = "track"and event = "x"', "and", "space after the closing quote"),
        ('type = "a\\"b"', '"b"', "cannot be written"),
        ('type = "a"\r\n', "\r", "carriage return"),
        ('type\u00a0= "a"', "\u00a0", "U+00A0"),
        ('typ = "track"', "typ", "Did you mean `type`?"),
        ('anonymousId = "a"', "anonymousId", "Segment ignores"),
        ('properties = "a"', "properties", "name a key"),
        ('event.properties.x = "a"', "event", "without `event.`"),
        ('userId.x = "a"', "userId", "no keys"),
        ('properties.and = "a"', "and", "\\and"),
        ('properties.0 = "a"', "0", "\\0"),
        ('properties[0] = "a"', "[", "escaped digit"),
        ('properties.a\\.b = "a"', "\\.b", "cannot be reached"),
        ('properties.caf\u00e9 = "a"', "\u00e9", "\\\u00e9"),
        ("properties.n=5", "n=5", "space after the name"),
        ('type in ["a"]', "[", "escaped digit"),
        ('type in ("a")', "in", "or"),
        ('type contains "a"', "contains", "contains(type"),
        ('contains(type, "a")', "type", "does not take"),
        ('contains("a", event)', '"a"', "first argument"),
        ("contains(event, 5)", "5", "second argument"),
        ("contains(event)", ")", "a comma"),
        ('contains(event, "a") = true', "=", "by themselves"),
        ('match(event, "abc")', '"abc"', "needs one `*`"),
        ('match(event, "*b*")', '"*b*"', "contains(event"),
        ('match(event, "a*b")', '"a*b"', "at the beginning or the end"),
        ('type = "a" and()', "()", "space after `and`"),
        ('type = "a" && event = "b"', "&", "`and`"),
        ('type = "a" # note', "#", "no comments"),
        ('type = "\ud800"', "type", "Unicode"),
    ],
)
def test_what_segment_would_misread_is_refused_with_place_and_remedy(text: str, at: str, hint: str) -> None:
    with pytest.raises(TriggerError) as refusal:
        compile_trigger(text)
    error = refusal.value
    assert hint in error.reason
    assert error.text == text
    assert text[error.position :].startswith(at)
    if not at:
        assert error.position == len(text)


def test_a_trigger_too_long_or_no_text_is_refused() -> None:
    with pytest.raises(TriggerError, match="at most"):
        compile_trigger('type = "a" or ' * MAX_TRIGGER_LENGTH)
    with pytest.raises(TriggerError, match="a trigger must be text"):
        compile_trigger(5)  # type: ignore[arg-type]


def _refused(text: str) -> str:
    with pytest.raises(TriggerError) as refusal:
        compile_trigger(text)
    return point_out(refusal.value)


def test_a_caret_points_at_the_fault() -> None:
    assert _refused("type = track") == "type = track\n       ^\nput the text in double quotes."


def test_a_caret_points_into_the_right_line_past_tabs() -> None:
    assert _refused('type = "track"\n\tand event = x') == (
        "line 2:  and event = x\n                     ^\nput the text in double quotes."
    )


def test_a_long_line_is_cut_around_the_fault() -> None:
    excerpt, caret, _ = _refused(
        " and ".join(['type = "track"'] * 20) + " and event = x and " + " and ".join(['type = "a"'] * 20)
    ).split("\n")

    assert len(excerpt) <= 74
    assert excerpt[0] == excerpt[-1] == "…"
    assert excerpt[caret.index("^")] == "x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('event = "User Registered"', 'event = "User Registered": found "Order Completed"'),
        ('type = "track" and name != null', "name != null: found nothing"),
        (
            '(type = "a" or event = "b") and userId = null',
            'type = "a": found "track"; event = "b": found "Order Completed"',
        ),
        ("properties.total > 40", "properties.total > 40: found 30"),
        ("properties.vip = false", "properties.vip = false: found true"),
        ('properties.nul = "x"', 'properties.nul = "x": found null'),
        ('properties.list = "x"', 'properties.list = "x": found a list'),
        ('!contains(event, "Order")', '!contains(event, "Order"): found "Order Completed"'),
    ],
)
def test_a_failing_condition_is_named_with_what_was_found(text: str, reason: str) -> None:
    assert compile_trigger(text).explain(_EVENT) == reason


def test_long_values_are_cut() -> None:
    explained = compile_trigger('event = "x"').explain({"event": "y" * 500})

    assert explained == f'event = "x": found "{"y" * 60}…"'


@pytest.mark.parametrize(("event", "answer"), [(None, False), ([], True), ("text", True), (5, True), ({}, True)])
def test_events_that_are_no_objects_have_no_fields(event: Any, *, answer: bool) -> None:
    assert compile_trigger('type != "track"')(event) is answer


@given(st.text(alphabet="typecontrackpsm.= <>!()\"'*,\\\n5andor", max_size=60))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        trigger = compile_trigger(text)
    except TriggerError as error:
        shown, position = point_out(error), error.position
    else:
        shown, position = "^", 0
        assert trigger(_EVENT) in {True, False}
    assert 0 <= position <= len(text)
    assert "^" in shown
