import gzip
import json
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_tracking_api.answers import RequestRefused
from segue_tracking_api.body import decode, parse

LIMIT = 10_000


def refused(body: bytes, encoding: str = "gzip") -> tuple[int, str]:
    with pytest.raises(RequestRefused) as caught:
        parse(decode(body, encoding, limit=LIMIT))
    return caught.value.status, caught.value.code


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.sampled_from(["gzip", "X-GZIP", ""]))
def test_what_was_sent_is_what_is_read(value: dict[str, object], encoding: str) -> None:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    sent = gzip.compress(text) if encoding else text
    assert parse(decode(sent, encoding, limit=1_000_000)) == value


@given(st.binary())
def test_no_body_ends_in_anything_but_an_object_or_a_refusal(body: bytes) -> None:
    for encoding in ("", "gzip"):
        with suppress(RequestRefused):
            assert isinstance(parse(decode(body, encoding, limit=LIMIT)), dict)


def test_a_bomb_is_not_inflated() -> None:
    assert refused(gzip.compress(b"\0" * 50_000_000)) == (413, "payload_too_large")


def test_a_body_at_the_limit_passes() -> None:
    assert len(decode(gzip.compress(b"x" * LIMIT), "gzip", limit=LIMIT)) == LIMIT


@pytest.mark.parametrize(
    "body", [b"", b"{}", gzip.compress(b"{}", mtime=0)[:-1], zlib.compress(b"{}"), b"\x1f\x8b\x08" + b"\xff" * 20]
)
def test_broken_gzip_is_refused(body: bytes) -> None:
    assert refused(body) == (400, "invalid_gzip")


def test_other_encodings_are_refused() -> None:
    assert refused(b"{}", "br") == (415, "unsupported_encoding")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"1", b"null", b'"text"', b"{}{}", b"writeKey=k&batch=", b'{"a": "\xff"}'),
        *('{"a": "é"}'.encode("latin-1"), "{}".encode("utf-16"), "{}".encode("utf-32-le")),
        *(b"[" * 100_000, b'{"a":' * 100_000 + b'"' + b"}" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 99_999),
    ],
)
def test_what_is_no_json_object_in_utf_8_is_refused(body: bytes) -> None:
    assert refused(body, "") == (400, "invalid_json")


def test_what_one_event_is_to_blame_for_does_not_refuse_the_body() -> None:
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"a": deep}
    assert parse(json.dumps(deep).encode()) == deep
    assert parse(b'{"a": ' + b"9" * 9000 + b"}") == {"a": float("inf")}
    assert parse(b'{"a": "\\ud800"}') == {"a": "\ud800"}
    assert str(parse(b'{"a": NaN}')["a"]) == "nan"
    assert parse(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize("levels", [400, 1_000, 3_000, 100_000])
@pytest.mark.parametrize("inside", ["1", '"]"', r'"\"]}"', '"[{"', '{"b":[[],{}]}'])
def test_an_event_that_nobody_could_read_does_not_refuse_those_beside_it(levels: int, inside: str) -> None:
    deep = '{"a":[' * levels + inside + "]}" * levels
    first, event, last = parse(f'{{"batch":[{{"n":"["}},{deep},{{"n":[[2]]}}]}}'.encode())["batch"]
    assert (first, last) == ({"n": "["}, {"n": [[2]]})
    assert event["a"][0]["a"][0]["a"]
