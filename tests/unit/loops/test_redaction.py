"""The API key leaves no trace in what is kept of an answer, however it is spelled there."""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_worker.loops.redaction import MARK, Redaction

KEY = "9f8e7d6c5B4a3928_1706f5e4-d3c2b1a0"


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def unicode_escapes(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "percent-encoded": percent,
    "partly percent-encoded": lambda key: key[:9] + percent(key[9:12]) + key[12:],
    "percent-encoded twice": lambda key: quote(percent(key)),
    "as a header": lambda key: f"Authorization: Bearer {key}",
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a name and a password": lambda key: base64.urlsafe_b64encode(f"me:{key}".encode()).decode(),
    "base64 over lines": lambda key: base64.encodebytes(f"Authorization: Bearer {key}, and more".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "JSON": unicode_escapes,
    "JSON in JSON": lambda key: json.dumps(unicode_escapes(key)),
    "HTML by number": lambda key: "".join(f"&#{ord(character)};" for character in key),
    "HTML by hexadecimal number": lambda key: "".join(f"&#x{ord(character):x};" for character in key),
    "HTML of percent-encoding": lambda key: html.escape(percent(key)),
    "over lines": lambda key: "\n  ".join(key[start : start + 6] for start in range(0, len(key), 6)),
    "quoted-printable over lines": lambda key: "=\r\n".join(key[start : start + 7] for start in range(0, len(key), 7)),
    "with characters nobody sees": "\u200b".join,
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1"),
}


def readings(text: str) -> Iterator[str]:
    """What somebody can make of a text who wants the key."""
    plain = "".join(character for character in text if character.isprintable() and character != " ")
    for reading in (plain, plain.replace("=", "")):
        unescaped = reading
        for _ in range(3):
            yield unescaped
            unescaped = unquote(html.unescape(re.sub(r"\\+u([0-9a-f]{4})", lambda u: chr(int(u[1], 16)), unescaped)))
    for run in re.findall(r"[\w+/-]{8,}", plain):
        for start in range(4):
            part = run[start:].replace("-", "+").replace("_", "/")
            yield base64.b64decode(part[: len(part) // 4 * 4]).decode("latin-1")
    for run in re.findall(r"[0-9a-f]{8,}", plain):
        for start in range(2):
            yield bytes.fromhex(run[start:][: (len(run) - start) // 2 * 2]).decode("latin-1")


def leaks(text: str) -> bool:
    """Whether eight characters in a row of the key can be read from a text."""
    pieces = [KEY[start : start + 8].lower() for start in range(len(KEY) - 7)]
    return any(piece in reading.lower() for reading in readings(text) for piece in pieces)


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    "around", ["{}", '{{"message":"Invalid API key: {}."}}', "<p>100% of {} & more</p>", "key={}&x=1"]
)
def test_every_spelling_of_the_key_is_taken_out(spell: Callable[[str], str], around: str) -> None:
    text = around.format(spell(KEY))
    assert leaks(text)
    redacted = Redaction(KEY)(text)
    assert MARK in redacted
    assert not leaks(redacted)


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(0, len(KEY) - 8), st.sampled_from(sorted(SPELLINGS)))
def test_part_of_the_key_is_taken_out_and_what_is_around_it_stays(
    before: str, after: str, start: int, name: str
) -> None:
    redact = Redaction(KEY)
    part = SPELLINGS[name](KEY[start:])
    redacted = redact(f"{before}|{part}|{after}")
    assert redacted.startswith(before)
    assert redacted.endswith(after)
    assert not leaks(redacted.removeprefix(before).removesuffix(after))


def test_a_text_without_the_key_stays_as_it_is() -> None:
    text = '{"success":false,"message":"100% \\u00e4 &amp; \\"x\\" 9f8e7d6"}'
    assert Redaction(KEY)(text) is text


def test_the_secret_is_in_no_repr() -> None:
    assert KEY not in repr(Redaction(KEY))


@pytest.mark.parametrize("secret", ["", "abc"])
def test_a_secret_too_short_to_be_told_from_words_hides_nothing(secret: str) -> None:
    assert Redaction(secret)("abc abc") == "abc abc"
