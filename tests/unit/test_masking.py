"""What an answer quotes of an event is hidden, however it is spelled, in time that grows with the length of the text."""

import html
import json
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segue_worker.masking import HIDDEN, mask_json, mask_known, mask_text, show_json

EVENT = {
    "type": "track",
    "event": "Signed Up",
    "messageId": "m-1",
    "userId": "user-0042",
    "properties": {
        "name": "Ada Lovelace",
        "phone": "+44 20 7946 0958",
        "city": "Zürich",
        "number": 4711471147,
        "list": [{"deep": "needle"}],
        "about": "one two three four five six seven eight nine ten",
        "vip": True,
        "nothing": None,
        "initial": "L",
    },
    "context": {"traits": {"email": "ada@example.com"}},
}
TEXT = json.dumps(EVENT)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('400 {"message":"user-0042 is not known"}', '400 {"message":"••• is not known"}'),
        ("Ada Lovelace, ADA LOVELACE and ada-lovelace", "•••, ••• and •••"),
        ("+442079460958 or (+44) 20-7946-0958", "+••• or (+•••"),
        (
            "Zürich, ZÜRICH, Zu\u0308rich, Zurich, Z\\u00fcrich, Z%C3%BCrich, Z&uuml;rich",
            "•••, •••, •••, •••, •••, •••, •••",
        ),
        ("ada@example.com and eve@example.org", "a•••@e•••.com and e•••@e•••.org"),
        ("ada%40example.com", "•••"),
        ("4711471147, 4,711,471,147 and 4711471147.5", "•••, ••• and •••.5"),
        ("a needle; needles", "a •••; needles"),
        ("four five six seven eight nine ten, and so on", "four five six seven eight nine ten, and so on"),
        ("two three four five six seven eight nine", "•••"),
        ("the name Ada Lovel", "the name •••"),
        ("the name Ada Lovel…); see there", "the name •••…); see there"),
        ("Canada, Adam and L", "Canada, Adam and L"),
        ("true, null, Signed Up, m-1", "true, null, Signed Up, m-1"),
    ],
)
def test_values_of_the_event_are_hidden_and_other_words_stay(text: str, masked: str) -> None:
    assert mask_known(text, TEXT) == masked


def test_a_contact_may_be_given_by_itself_and_nothing_known_hides_nothing() -> None:
    assert mask_known("no contact 0042", "0042", "", None) == f"no contact {HIDDEN}"
    assert mask_known("no contact 0042") == "no contact 0042"


def test_scripts_that_do_not_part_words_are_read_by_character() -> None:
    assert mask_known("找不到王小明的邮箱", json.dumps({"name": "王小明"})) == "找不到•••的邮箱"


def json_escaped(text: str) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "as JSON": lambda text: json.dumps(text)[1:-1],
    "as JSON, every character": json_escaped,
    "in an address": lambda text: quote(text, safe=""),
    "as HTML": html.escape,
    "in JSON in JSON": lambda text: json.dumps(json_escaped(text))[1:-1],
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
}
AROUND = [
    "Loops answered 400 {}",
    '503 {{"success":false,"message":"Contact {} was not found."}}',
    "<p>No list for <b>{}</b>!</p>",
    "given up after 3 attempts; the last: {}…",
]
_LETTERS = st.text(st.characters(max_codepoint=0x24F, categories=["Ll", "Lu", "Nd", "Zs", "Pd", "Po"]), min_size=1)


def letters(text: str) -> str:
    """What is left of a text for somebody who looks for a value in it."""
    plain = unquote(html.unescape(text.replace("\\\\", "\\").encode("raw_unicode_escape").decode("unicode_escape")))
    plain = unicodedata.normalize("NFKD", plain.casefold())
    return "".join(each for each in plain if each.isalnum())


@given(_LETTERS, st.sampled_from(sorted(SPELLINGS)), st.sampled_from(AROUND), st.sampled_from(["trait", "id", "deep"]))
def test_no_value_is_ever_quoted_whole(value: str, spelling: str, around: str, place: str) -> None:
    looked_for = letters(value.replace("\\", " "))
    assume(len(looked_for) > 1 and "\\" not in value)
    assume(looked_for not in letters(around))
    places: dict[str, dict[str, Any]] = {
        "trait": {"context": {"traits": {"x": value}}},
        "id": {"userId": value},
        "deep": {"properties": {"items": [[{"y": value}]]}},
    }
    event = places[place]
    masked = mask_known(around.format(SPELLINGS[spelling](value)), json.dumps({"type": "identify", **event}))
    assert looked_for not in letters(masked)


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "a " * 100_000, "@" * 300_000, "a@," * 100_000, "a@" + "." * 300_000, "%61" * 50_000, "\\" * 300_000],
    ids=["one word", "words", "signs", "half addresses", "dots", "escapes", "backslashes"],
)  # fmt: skip
def test_long_texts_are_masked_in_time_that_grows_with_them(text: str) -> None:
    """By the square of their length these would take hours."""
    assert mask_text(text) == text
    assert mask_known(text, TEXT) == text
    assert mask_known(f"{text} needle", TEXT) == f"{text} {HIDDEN}"


def test_json_nested_beyond_measure_is_hidden_or_shown_as_it_is() -> None:
    deep = "[" * 16_000 + "]" * 16_000
    assert mask_json(deep) == HIDDEN
    assert show_json(deep) == deep
    assert mask_known("a needle", deep, TEXT) == f"a {HIDDEN}"
