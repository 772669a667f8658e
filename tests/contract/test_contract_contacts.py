from collections.abc import Callable
from typing import Any

import httpx
import pytest


def update(api: httpx.Client, **body: Any) -> httpx.Response:
    return api.put("/contacts/update", json=body)


def find(api: httpx.Client, **by: str) -> Any:
    (contact,) = api.get("/contacts/find", params=by).json()
    return contact


def assert_refused(answer: httpx.Response, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert isinstance(answer.json()["message"], str)


def test_update_creates_and_says_only_the_id(api: httpx.Client, email: str, user_id: str) -> None:
    answer = update(api, email=email, userId=user_id, firstName="Ada")
    assert (answer.status_code, set(answer.json())) == (200, {"success", "id"})
    contact = find(api, email=email)
    assert (contact["id"], contact["userId"], contact["firstName"]) == (answer.json()["id"], user_id, "Ada")
    assert (contact["subscribed"], contact["source"], contact["mailingLists"]) == (True, "API", {})


def test_update_by_either_identifier_keeps_what_is_left_out(api: httpx.Client, email: str, user_id: str) -> None:
    first = update(api, email=email, userId=user_id, firstName="Ada").json()["id"]
    assert update(api, userId=user_id, lastName="Lovelace").json()["id"] == first
    assert update(api, email=email, userGroup="pioneers").json()["id"] == first
    contact = find(api, userId=user_id)
    assert (contact["firstName"], contact["lastName"], contact["userGroup"]) == ("Ada", "Lovelace", "pioneers")


def test_user_id_can_be_set_and_changed(api: httpx.Client, email: str, user_id: str) -> None:
    update(api, email=email)
    for wanted in (user_id, f"{user_id}-2"):
        assert update(api, email=email, userId=wanted).status_code == 200
        assert find(api, email=email)["userId"] == wanted


def test_email_can_be_changed_by_user_id(api: httpx.Client, new_email: Callable[[], str], user_id: str) -> None:
    old, new = new_email(), new_email()
    first = update(api, email=old, userId=user_id).json()["id"]
    assert update(api, email=new, userId=user_id).json()["id"] == first
    assert find(api, userId=user_id)["email"] == new
    assert api.get("/contacts/find", params={"email": old}).json() == []


def test_two_contacts_in_one_request_are_refused(api: httpx.Client, new_email: Callable[[], str], user_id: str) -> None:
    one, other = new_email(), new_email()
    update(api, email=one)
    update(api, email=other, userId=user_id)
    assert_refused(update(api, email=one, userId=user_id))


def test_unknown_user_id_alone_is_refused(api: httpx.Client, user_id: str) -> None:
    assert_refused(update(api, userId=user_id))


@pytest.mark.parametrize("body", [{}, {"firstName": "Ada"}, {"email": None, "userId": None}])
def test_no_identifier_is_refused(api: httpx.Client, body: Any) -> None:
    assert_refused(update(api, **body))


def test_no_address_is_refused(api: httpx.Client) -> None:
    assert_refused(update(api, email="not-an-address"))


def test_null_identifier_is_absent(api: httpx.Client, email: str, user_id: str) -> None:
    assert update(api, email=email, userId=None).status_code == 200
    update(api, email=email, userId=user_id)
    assert update(api, email=None, userId=user_id, firstName="Ada").status_code == 200
    assert find(api, email=email)["firstName"] == "Ada"


def test_null_resets(api: httpx.Client, email: str) -> None:
    update(api, email=email, firstName="Ada", userGroup="pioneers")
    assert update(api, email=email, firstName=None).status_code == 200
    contact = find(api, email=email)
    assert (contact["firstName"], contact["userGroup"]) == (None, "pioneers")


def test_longest_text(api: httpx.Client, email: str) -> None:
    assert update(api, email=email, firstName="x" * 498).status_code == 200
    answer = update(api, email=email, firstName="x" * 499)
    assert_refused(answer)
    assert "longer than allowable" in answer.json()["message"]


@pytest.mark.parametrize(
    "date",
    [
        1_767_323_045_678,
        "1767323045678",
        "2026-01-02",
        "2026-01-02T03:04",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05.678+02:00",
    ],
)
def test_date_forms(api: httpx.Client, email: str, date: Any) -> None:
    assert update(api, email=email, createdAt=date).status_code == 200


def test_empty_mailing_lists_change_nothing(api: httpx.Client, email: str) -> None:
    assert update(api, email=email, mailingLists={}).status_code == 200
    assert find(api, email=email)["mailingLists"] == {}


def test_a_list_is_joined_and_left(api: httpx.Client, email: str) -> None:
    for known in api.get("/lists").json()[:1]:
        update(api, email=email, mailingLists={known["id"]: True})
        assert find(api, email=email)["mailingLists"] == {known["id"]: True}
        update(api, email=email, mailingLists={known["id"]: False})
        assert find(api, email=email)["mailingLists"] == {}


def test_unsubscribing(api: httpx.Client, email: str) -> None:
    update(api, email=email, subscribed=False)
    update(api, email=email, firstName="Ada")
    assert find(api, email=email)["subscribed"] is False


def test_create_works_once(api: httpx.Client, email: str) -> None:
    answer = api.post("/contacts/create", json={"email": email})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert_refused(api.post("/contacts/create", json={"email": email}), 409)


def test_find_takes_exactly_one_identifier(api: httpx.Client, email: str, user_id: str) -> None:
    assert api.get("/contacts/find", params={"email": email}).json() == []
    assert_refused(api.get("/contacts/find"))
    assert_refused(api.get("/contacts/find", params={"email": email, "userId": user_id}))


def test_delete(api: httpx.Client, email: str, user_id: str) -> None:
    update(api, email=email, userId=user_id)
    assert_refused(api.post("/contacts/delete", json={"email": email, "userId": user_id}))
    assert api.post("/contacts/delete", json={"userId": user_id}).status_code == 200
    assert_refused(api.post("/contacts/delete", json={"userId": user_id}), 404)


def test_no_lists_are_no_change(api: httpx.Client, email: str) -> None:
    for none in (dict[str, bool](), None):
        assert update(api, email=email, mailingLists=none).status_code == 200
    assert find(api, email=email)["mailingLists"] == {}


def test_suppression_of_a_contact_that_is_not(api: httpx.Client, email: str, user_id: str) -> None:
    update(api, email=email, userId=user_id)
    found = api.get("/contacts/suppression", params={"email": email}).json()
    assert (found["contact"]["email"], found["contact"]["userId"], found["isSuppressed"]) == (email, user_id, False)
    assert set(found["removalQuota"]) == {"limit", "remaining"}
    assert_refused(api.delete("/contacts/suppression", params={"userId": user_id}))
    assert_refused(api.get("/contacts/suppression"))
    assert_refused(api.get("/contacts/suppression", params={"userId": f"{user_id}-nobody"}), 404)
