"""Dead letters by their causes: what is seen of them, and what is done with all of one cause."""

import re
from collections.abc import Callable

from fakeredis import FakeRedis

from segue_producer.keys import Keys
from segue_worker.dashboard.context import Dashboard
from segue_worker.outbox.dead_letter import DeadLetter

from .conftest import EMAIL, KEYS, NOW_MS, HttpVisitor
from .test_dashboard_actions import fields_of, finished

Bury = Callable[..., DeadLetter]
HOUR_MS = 3_600_000


def groups(text: str) -> dict[str, str]:
    """Id of each group of a page → what its row says."""
    rows = re.findall(r'<tr role="row" id="group-(\w+)">(.*?)</tr>', text, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", row).split()) for name, row in rows}


def letters(text: str) -> list[str]:
    return re.findall(r'id="letter-(\w+)"', text)


async def test_a_row_says_what_was_wrong_how_often_and_since_when(visitor: HttpVisitor, bury: Bury) -> None:
    bury(at=NOW_MS - 30 * HOUR_MS)
    last = bury(at=NOW_MS - 60_000, contact="u2")
    bury(reason="expired", detail="given up after 4 attempts", mappings=("Send events",), event="Ordered", answer=None)
    text = (await visitor.get("/dead")).text
    second, first = groups(text).values()
    assert (
        first
        == "expired given up after ••• attempts Send events Ordered 1 1 0 s ago 0 s ago , an example Replay… Delete…"
    )
    assert second.startswith("refused 400 Loops answered 400 for ••• Sync contacts Signed Up 2 1 1 d 6 h ago 1 min ago")
    assert f"/dead/loops/{last.id}" in text
    assert "2 causes; 2 letters in the last day, 2 in the last hour" in " ".join(text.split())
    assert EMAIL not in text


async def test_the_letters_of_a_group_are_one_click_away(visitor: HttpVisitor, bury: Bury) -> None:
    wanted, other = bury(), bury(reason="expired")
    found = groups((await visitor.get("/dead")).text)
    (name,) = (name for name, row in found.items() if row.startswith("refused"))
    text = (await visitor.get(f"/dead?destination=loops&group={name}")).text
    assert letters(text) == [wanted.id]
    assert list(groups(text)) == [name]
    assert "1 to 1 of 1 that match, of 2 kept" in text
    # Narrowed further, it stays with the group.
    assert f'<input type="hidden" name="group" value="{name}">' in text
    assert other.id not in text


async def test_a_group_is_replayed_as_a_whole_and_nothing_else(
    visitor: HttpVisitor, redis: FakeRedis, bury: Bury, dashboard: Dashboard
) -> None:
    for contact in ("u1", "u2", "u3"):
        bury(contact=contact, at=NOW_MS - 5)
    kept = bury(reason="expired")
    found = groups((await visitor.get("/dead")).text)
    (name,) = (name for name, row in found.items() if row.startswith("refused"))
    form = {"destination": "loops", "everything": "1", "group": name, "what": "replay"}
    question = (await visitor.post("/dead/confirm", form)).text
    assert "Replay <b>3</b> dead letters of" in question
    late = bury(contact="u4", at=NOW_MS + 1)
    job = await finished(visitor, dashboard, await visitor.post("/dead/start", fields_of(question)))
    assert dict(job.counts) == {"replayed": 3}
    assert set(redis.hkeys(KEYS.dead)) == {kept.id.encode(), late.id.encode()}


async def test_all_letters_are_reached_page_by_page(visitor: HttpVisitor, bury: Bury) -> None:
    buried = [bury(at=NOW_MS - place, event="Ordered" if place % 2 else "Viewed").id for place in range(230)]
    seen = []
    for page in range(1, 4):
        text = (await visitor.get(f"/dead?event=Ordered&page={page}")).text
        assert "of 115 that match, of 230 kept" in text
        assert f"Page {page} of 3" in text
        seen += letters(text)
    assert seen == buried[1::2]
    assert "/dead?destination=loops&amp;reason=&amp;since=&amp;event=Ordered" in text
    assert letters((await visitor.get("/dead?event=Ordered&page=99")).text)


async def test_a_page_with_many_causes_stays_small(visitor: HttpVisitor, bury: Bury) -> None:
    for number in range(300):
        bury(event=f"An event called {'x' * 80} {number}", at=NOW_MS - number * HOUR_MS // 10)
    answer = await visitor.get("/dead")
    assert len(answer.content) < 200_000
    assert len(groups(answer.text)) == 30
    assert "300 causes" in answer.text
    assert "270 further causes" in answer.text


async def test_the_destination_with_most_letters_is_shown_first(
    visitor: HttpVisitor, redis: FakeRedis, bury: Bury
) -> None:
    bury()
    redis.hset("segue:held", "former", 0)
    redis.zadd(Keys("former").dead_at, {"a": NOW_MS, "b": NOW_MS})
    redis.hset(Keys("former").dead, mapping={"a": "{}", "b": "{}"})
    assert "<option selected>former</option>" in (await visitor.get("/dead")).text
    assert "unreadable" in (await visitor.get("/dead")).text
