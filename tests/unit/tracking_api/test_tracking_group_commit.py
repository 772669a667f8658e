import asyncio
from collections.abc import Sequence

import pytest

from segue_producer.append import BATCH
from segue_producer.errors import EnqueueError, OutboxFull
from segue_producer.events import Prepared
from segue_tracking_api.group_commit import GroupCommit


class Outbox:
    """Takes what is appended, once it may."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.errors: list[Exception] = []

    async def append(self, events: Sequence[Prepared]) -> None:
        self.groups.append([event.message_id for event in events])
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)


def events(*names: str) -> list[Prepared]:
    return [Prepared(name, "u1", b"{}", "track") for name in names]


async def settled() -> None:
    """Let each task get as far as it can by itself."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_arrives_meanwhile_goes_together_in_order() -> None:
    outbox = Outbox()
    commit = GroupCommit(outbox.append)
    tasks = [asyncio.create_task(commit.commit(events(name))) for name in "abc"]
    await settled()
    late = [asyncio.create_task(commit.commit(events(*names))) for names in ("de", "f")]
    await settled()
    assert not any(task.done() for task in tasks + late)
    outbox.gate.set()
    await asyncio.gather(*tasks, *late)
    assert [name for group in outbox.groups for name in group] == list("abcdef")
    assert outbox.groups[-1][-3:] == ["d", "e", "f"]


async def test_a_group_is_no_larger_than_one_round_trip() -> None:
    outbox = Outbox()
    commit = GroupCommit(outbox.append)
    many = [str(number) for number in range(100)]
    tasks = [asyncio.create_task(commit.commit(events(*many))) for _ in range(7)]
    outbox.gate.set()
    await asyncio.gather(*tasks)
    assert sum(map(len, outbox.groups)) == 700
    assert max(map(len, outbox.groups)) <= BATCH


@pytest.mark.parametrize("error", [OutboxFull("full"), TypeError("a fault")])
async def test_a_failure_is_told_to_its_group_and_to_nobody_after(error: Exception) -> None:
    outbox = Outbox()
    outbox.errors = [error]
    commit = GroupCommit(outbox.append)
    first = asyncio.create_task(commit.commit(events("a")))
    await settled()
    second = asyncio.create_task(commit.commit(events("b")))
    await settled()
    outbox.gate.set()
    with pytest.raises(type(error)):
        await first
    await second
    await commit.commit(events("c"))


async def test_a_caller_who_goes_away_changes_nothing_for_the_others() -> None:
    outbox = Outbox()
    commit = GroupCommit(outbox.append)
    gone, here = (asyncio.create_task(commit.commit(events(name))) for name in "ab")
    await settled()
    gone.cancel()
    outbox.gate.set()
    await here
    assert [name for group in outbox.groups for name in group] == ["a", "b"]


async def test_refusals_of_the_outbox_are_its_own() -> None:
    outbox = Outbox()
    outbox.errors = [EnqueueError("not taken")]
    outbox.gate.set()
    with pytest.raises(EnqueueError, match="not taken"):
        await GroupCommit(outbox.append).commit(events("a"))
