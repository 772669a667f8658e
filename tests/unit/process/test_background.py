"""What a worker does without being asked by the broker."""

import asyncio
from collections import Counter

from fakeredis import FakeAsyncRedis

from segue_worker.process.background import Background


async def _nothing() -> None:
    pass


async def _no_names() -> list[str]:
    return []


async def test_who_asks_again_while_a_run_is_about_to_end_is_served_once_more() -> None:
    served, may_end = Counter[str](), asyncio.Event()

    async def serve(name: str) -> None:
        served[name] += 1
        await may_end.wait()

    unasked = Background(FakeAsyncRedis(), b"", _no_names, serve, [(_nothing, 1.0)])
    for name in ("loops", "loops", "loops", "other"):
        unasked.serve(name)
    await asyncio.sleep(0)
    assert served == {"loops": 1, "other": 1}, "one after the other"
    may_end.set()
    await unasked.stop()
    assert served == {"loops": 1, "other": 1}, "who ends begins nothing"


async def test_and_then_no_more() -> None:
    served = Counter[str]()

    async def serve(name: str) -> None:
        served[name] += 1

    unasked = Background(FakeAsyncRedis(), b"", _no_names, serve, [(_nothing, 1.0)])
    unasked.serve("loops")
    unasked.serve("loops")
    async with asyncio.timeout(10):
        while served["loops"] < 2:  # noqa: ASYNC110 - that is what is waited for
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert served == {"loops": 2}
