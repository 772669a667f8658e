"""Who gets onto which list (docs/loops.md#mailing-lists)."""

from collections.abc import Callable

import httpx
import pytest

from segue_sandbox.core import Sandbox
from segue_sandbox.store import DEFAULT_LISTS

from .calls import ADA, NEWS, PRODUCT, find, send, update


@pytest.mark.parametrize("post", [update, send])
def test_6_1_6_2_6_7_lists(api: httpx.Client, post: Callable[..., httpx.Response]) -> None:
    post(api, email=ADA, mailingLists={NEWS: True, PRODUCT: True})
    assert find(api, email=ADA)["mailingLists"] == {NEWS: True, PRODUCT: True}
    post(api, email=ADA, mailingLists={})
    post(api, email=ADA, mailingLists={NEWS: False})
    assert find(api, email=ADA)["mailingLists"] == {PRODUCT: True}


def test_6_4_unknown_list_applies_nothing(api: httpx.Client) -> None:
    update(api, email=ADA)
    assert update(api, email=ADA, plan="pro", mailingLists={NEWS: True, "nope": False}).status_code == 400
    shown = find(api, email=ADA)
    assert ("plan" in shown, shown["mailingLists"]) == (False, {})


def test_6_5_unsubscribed_contacts_join_nothing(api: httpx.Client) -> None:
    assert update(api, email=ADA, subscribed=False, mailingLists={NEWS: True}).status_code == 200
    assert update(api, email=ADA, mailingLists={NEWS: True}).status_code == 200
    assert find(api, email=ADA)["mailingLists"] == {}
    update(api, email=ADA, subscribed=True, mailingLists={NEWS: True})
    assert find(api, email=ADA)["mailingLists"] == {NEWS: True}


def test_6_6_who_left_stays_out(sandbox: Sandbox, api: httpx.Client) -> None:
    update(api, email=ADA, mailingLists={NEWS: True, PRODUCT: True})
    sandbox.leave_list(NEWS, email=ADA)
    assert update(api, email=ADA, mailingLists={NEWS: True}).status_code == 200
    assert find(api, email=ADA)["mailingLists"] == {PRODUCT: True}


def test_6_8_lists(api: httpx.Client) -> None:
    listed = api.get("/lists").json()
    assert [set(each) for each in listed] == [{"id", "name", "description", "isPublic"}] * 3
    assert [each["id"] for each in listed] == [known.id for known in DEFAULT_LISTS]
