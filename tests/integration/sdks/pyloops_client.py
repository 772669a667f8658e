"""The client `pyloops`, which reads answers by Loops' OpenAPI file: every documented call of contacts, properties, lists,
events, patterns and suppression."""  # fmt: skip

import asyncio
import re
import sys
from collections.abc import Awaitable
from typing import Any

import pytest
from pyloops import LoopsClient, LoopsError  # type: ignore[import-not-found]  # installed for the test alone

url, key, user = sys.argv[1:]
email, mailing_list = f"{user}@example.com", "clxf1nxlb000t0ml79ajwcsj0"


async def refused(said: str, call: Awaitable[Any]) -> None:
    with pytest.raises(LoopsError, match=re.escape(said)):
        await call


async def main() -> None:
    loops = LoopsClient(api_key=key, base_url=url)
    assert await loops.health()
    await refused("Invalid API key", LoopsClient(api_key="unknown", base_url=url).health())

    made = await loops.create_contact(email, user_id=user, first_name="Ada", mailing_lists={mailing_list: True})
    await refused("already", loops.create_contact(email))
    assert (await loops.upsert_contact(email=email, seats=3)).id == made.id
    await refused("userId not found", loops.upsert_contact(user_id="nobody", seats=3))
    (contact,) = await loops.find_contact(user_id=user)
    assert (contact.id, contact.email, contact["seats"]) == (made.id, email, 3)
    assert not await loops.find_contact(user_id="nobody")

    status = await loops.get_contact_suppression(email=email)
    assert (status.contact.id, status.contact.user_id, status.is_suppressed) == (made.id, user, False)
    assert status.removal_quota.remaining == status.removal_quota.limit
    await refused("not suppressed", loops.remove_contact_suppression(user_id=user))
    await refused("not found", loops.get_contact_suppression(user_id="nobody"))

    await loops.create_contact_property(f"plan{user}", "number")
    # It hands over this refusal like an answer.
    assert "already exists" in str(await loops.create_contact_property(f"plan{user}", "number"))
    assert f"plan{user}" in [each.key for each in await loops.list_contact_properties()]
    assert mailing_list in [each.id for each in await loops.list_mailing_lists()]
    assert all(isinstance(each, str) for each in await loops.list_sending_ips())

    name = f"Signed Up {user}"
    event: dict[str, Any] = {"email": email, "event_properties": {"amount": 5}, "idempotency_key": f"key {user}"}
    assert (await loops.send_event(name, **event)).success
    await refused("already been processed", loops.send_event(name, **event))
    await refused("Contact not found", loops.send_event(name, user_id="nobody"))
    pattern = await loops.get_event_pattern_by_name(name)
    assert [(each.name, each.type_.value) for each in pattern.event_properties] == [("amount", "number")]
    assert (await loops.get_event_pattern(pattern.id)).event_name == name
    await refused("not found", loops.get_event_pattern_by_name("Nothing"))
    page = await loops.list_event_patterns(per_page=50)
    assert pattern.id in [each.id for each in page.data]
    await refused("perPage", loops.list_event_patterns(per_page=5))

    assert await loops.delete_contact(user_id=user)
    assert not await loops.delete_contact(user_id=user)


asyncio.run(main())
