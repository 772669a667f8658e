"""What bodies may hold (docs/loops.md#bodies, docs/loops.md#properties)."""

import httpx
import pytest

from .calls import ADA, FIELDS, answer, find, refused, update


@pytest.mark.parametrize("text", ["x" * 498, "ä" * 498, "\U0001f600" * 498, '"' * 249])
def test_3_2_longest_text_that_passes(api: httpx.Client, text: str) -> None:
    assert update(api, email=ADA, bio=text).status_code == 200
    assert find(api, email=ADA)["bio"] == text


def test_3_4_null_identifier_is_absent(api: httpx.Client) -> None:
    update(api, email=ADA, userId="u1")
    assert update(api, email=None, userId="u1", plan="a").status_code == 200
    assert update(api, email=ADA, userId="", plan="b").status_code == 200
    assert (find(api, userId="u1")["email"], find(api, email=ADA)["userId"]) == (ADA, "u1")


def test_3_8_email_is_trimmed_and_case_ignored(api: httpx.Client) -> None:
    first = update(api, email=" Ada@Example.com ").json()["id"]
    assert update(api, email=ADA, userId="u1").json()["id"] == first
    assert find(api, userId="u1")["email"] == "Ada@Example.com"


def test_3_9_reserved_names_are_ignored(api: httpx.Client) -> None:
    sent = dict.fromkeys(("id", "listId", "softDeleteAt", "teamId", "updatedAt"), "x")
    contact = update(api, email=ADA, **sent).json()["id"]
    assert set(find(api, email=ADA)) == FIELDS
    assert find(api, email=ADA)["id"] == contact


def test_4_1_default_properties(api: httpx.Client) -> None:
    listed = {each["key"]: each["type"] for each in api.get("/contacts/properties").json()}
    strings = ("email", "firstName", "lastName", "notes", "source", "userGroup", "userId")
    assert listed == {**dict.fromkeys(strings, "string"), "subscribed": "boolean", "createdAt": "date"}


def test_4_2_values_are_stored_as_sent_and_dates_as_dates(api: httpx.Client) -> None:
    api.post("/contacts/properties", json={"name": "renewsAt", "type": "date"})
    sent = {"plan": "pro", "seats": 3, "ratio": 0.5, "trial": True}
    update(api, email=ADA, **sent, renewsAt="2026-01-02T03:04+01:00", createdAt=1_767_323_045_678)
    shown = find(api, email=ADA)
    assert {name: shown[name] for name in sent} == sent
    assert (shown["renewsAt"], shown["createdAt"]) == ("2026-01-02T02:04:00.000Z", "2026-01-02T03:04:05.678Z")


def test_4_3_null_resets(api: httpx.Client) -> None:
    names = ("firstName", "lastName", "userGroup", "plan", "createdAt")
    update(api, email=ADA, firstName="Ada", lastName="L", userGroup="g", plan="pro", createdAt=1)
    update(api, email=ADA, **dict.fromkeys(names), neverSet=None)
    shown = find(api, email=ADA)
    assert set(shown) == FIELDS
    assert (shown["firstName"], shown["lastName"], shown["userGroup"]) == (None, None, "")


def test_4_4_left_out_is_unchanged(api: httpx.Client) -> None:
    update(api, email=ADA, firstName="Ada", plan="pro", subscribed=False)
    update(api, email=ADA, seats=1)
    shown = find(api, email=ADA)
    assert (shown["firstName"], shown["plan"], shown["subscribed"]) == ("Ada", "pro", False)


def test_4_5_unknown_property_is_created_with_its_first_type(api: httpx.Client) -> None:
    update(api, email=ADA, seats=1)
    custom = api.get("/contacts/properties", params={"list": "custom"}).json()
    assert custom == [{"key": "seats", "label": "Seats", "type": "number"}]
    assert answer(update(api, email="b@example.com", seats="1")) == refused(400, "seats must be a number")


def test_4_6_date_forms_are_read(api: httpx.Client) -> None:
    for form in (0, "0", "1970-01-01", "1970-01-01 00:00", "1970-01-01T02:00:00+02:00", "1970-01-01T00:00:00.000Z"):
        update(api, email=ADA, createdAt=form)
        assert find(api, email=ADA)["createdAt"] == "1970-01-01T00:00:00.000Z", form


def test_4_10_source(api: httpx.Client) -> None:
    update(api, email=ADA)
    assert find(api, email=ADA)["source"] == "API"
    update(api, email=ADA, source="Segment")
    update(api, email=ADA, plan="pro")
    assert find(api, email=ADA)["source"] == "Segment"


def test_4_11_notes_are_ignored(api: httpx.Client) -> None:
    assert update(api, email=ADA, notes="hello").status_code == 200
    assert "notes" not in find(api, email=ADA)
