"""What a hostile answer may not do, from the answer to what is kept of it."""

import base64
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .conftest import KEYS, Bench

API_KEY = "sandbox-key"
TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}}
HOSTILE = [
    {"x-ratelimit-remaining": "9" * 5000},
    {"x-ratelimit-remaining": "-7"},
    {"x-ratelimit-remaining": "NaN"},
    {"retry-after": "999999999"},
    {"retry-after": "9" * 5000},
    {"retry-after": "Thu, 01 Jan 2099 00:00:00 GMT"},
    {"retry-after": f"Thu, 01 Jan {'9' * 5000} 00:00:00 GMT"},
    {"retry-after": "Thu, 01 Jan 2026 00:00:00 +99999999999"},
    {"content-type": "\x01", "content-encoding": "br, br"},
]


def texts(value: Any) -> Iterator[bytes]:
    """All texts in what Redis answers."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        yield from texts([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)


async def everything(bench: Bench) -> bytes:
    """All keys and values of Redis."""
    redis: Any = bench.redis
    found: list[Any] = []
    for key in await redis.keys():
        kind = (await redis.type(key)).decode()
        read = {"string": redis.get, "hash": redis.hgetall, "stream": redis.xrange}
        ends = {"list": redis.lrange, "zset": redis.zrange}
        found += [key, await (read[kind](key) if kind in read else ends[kind](key, 0, -1))]
    return b"\n".join(texts(found))


@pytest.mark.parametrize("headers", HOSTILE)
@pytest.mark.parametrize("status", [200, 409, 400, 429, 503])
async def test_no_header_of_an_answer_keeps_the_contact_from_its_settlement(
    bench: Bench, headers: dict[str, str], status: int
) -> None:
    bench.transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers))
    await bench.enqueue(TRACK)
    await bench.run()
    counters = await bench.counters()
    assert counters.get("delivered", 0) == (status == 200)
    assert counters.get("dead", 0) == (status in {400, 409})
    parked = await bench.redis.hget(KEYS.parked, "u1")
    assert (parked is not None) == (status in {429, 503})
    ends = await bench.redis.zscore(KEYS.away, "u1")
    assert ends is None or 0 <= ends - bench.now_ms <= 3_600_000


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 429, 500])
async def test_a_key_that_an_answer_quotes_reaches_neither_redis_nor_the_log(
    bench: Bench, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    spellings = [
        API_KEY,
        API_KEY.upper(),
        "".join(f"%{byte:02x}" for byte in API_KEY.encode()),
        base64.b64encode(API_KEY.encode()).decode(),
        API_KEY.encode().hex(),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {API_KEY}"
        return httpx.Response(status, text=" ".join(spellings), headers={"x-ratelimit-remaining": API_KEY})

    bench.transport = httpx.MockTransport(answer)
    await bench.enqueue(TRACK)
    await bench.run()
    kept = await everything(bench)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert b"u1" in kept or status == 200
    for spelling in spellings:
        assert spelling.lower().encode() not in kept.lower()
        assert spelling.lower() not in said.lower()
