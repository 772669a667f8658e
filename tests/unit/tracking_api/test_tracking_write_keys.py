from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_tracking_api.answers import RequestRefused
from segue_tracking_api.write_keys import WriteKeys, from_body, from_header_or_query

KEYS = WriteKeys({"one": ("loops",), "two": ("loops", "second")})


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "query", "key"),
    [
        (basic("one:"), {}, "one"),
        (basic("one:password"), {}, "one"),
        (basic("one").replace("Basic", "bAsIc "), {}, "one"),
        ("Bearer one", {}, "one"),
        ("", {"writeKey": "one"}, "one"),
        (basic("one:"), {"writeKey": "two"}, "one"),
        (basic(":"), {"writeKey": "two"}, "two"),
        ("Basic !!!", {}, None),
        ("Basic /w==", {}, None),
        ("Digest one", {}, None),
        ("", {"writeKey": ""}, None),
    ],
)
def test_where_a_write_key_is_found(authorization: str, query: dict[str, str], key: str | None) -> None:
    assert from_header_or_query(authorization, query) == key


def test_each_key_has_its_destinations() -> None:
    one, two = KEYS.source("one"), KEYS.source("two")
    assert (one.destinations, two.destinations) == (("loops",), ("loops", "second"))
    # Each has its own messageIds, and nobody reads the key from what stands in Redis.
    assert one.id != two.id
    assert "one" not in one.id


@given(st.text())
def test_no_other_key_is_let_in(key: str) -> None:
    if key not in {"one", "two"}:
        with pytest.raises(RequestRefused) as caught:
            KEYS.source(key)
        assert caught.value.status == 401


@given(st.text())
def test_any_authorization_can_be_read(authorization: str) -> None:
    from_header_or_query(authorization, {})
    from_header_or_query("Basic " + authorization, {})


@pytest.mark.parametrize("body", [{}, {"writeKey": None}, {"writeKey": ""}, {"writeKey": 7}])
def test_a_body_without_a_key_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(RequestRefused, match="write key"):
        from_body(body)


def test_keys_are_not_shown() -> None:
    assert "one" not in repr(KEYS)
