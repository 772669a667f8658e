"""Text from outside is printed so that it can be seen, and does nothing else."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_worker.printable import visible, visible_json, visible_lines

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Grüße, 日本語, 👩\u200d💻", "plain, Grüße, 日本語, 👩\u200d💻"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x9b31m\x07\x00\x7f", "\\x1b[2J\\x9b31m\\x07\\x00\\x7f"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("a\u2028b\u200bc\ufeff", "a\\u2028b\\u200bc\\ufeff"),
        ("\ud800 \U000e0041", "\\ud800 \\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_stay_lines() -> None:
    assert visible_lines("a\x1b\n  b\r\n") == "a\\x1b\n  b\\r\n"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_no_control_character_is_left(text: str) -> None:
    for character in visible(text):
        assert unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }
        assert unicodedata.category(character) != "Cf" or character in JOINERS or ord(character) > 0x600


@settings(deadline=None)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_means_the_same_as_before(value: object) -> None:
    text = visible_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert visible(text.replace("\n", "")) == text.replace("\n", "")
