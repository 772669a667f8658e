"""Enqueueing: Segue's producer against a bare `RPUSH` of the same JSON, and Celery's `delay()`, all on the same Redis."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from statistics import median
from typing import Any, Final, NamedTuple

from tests.integration.stack import KEYS, Stack

from benchmarks.measuring import new_stack
from benchmarks.naive_worker import DELIVER, make_app
from benchmarks.results import Row, ratios
from benchmarks.traces import Event, updates
from segue_producer import append
from segue_producer.events import prepare

BATCH: Final = 100
"""Events of a batch."""


def _timed(call: Callable[[Event], object], events: Sequence[Event]) -> tuple[float, float]:
    """Median seconds of a call, and events a second."""
    taken = []
    for event in events:
        began = time.perf_counter()
        call(event)
        taken.append(time.perf_counter() - began)
    return median(taken), len(taken) / sum(taken)


def bare_round_trip(stack: Stack, *, times: int = 2_000) -> float:
    """Median seconds of a PING on a connection of its own: what no client on this machine can be quicker than."""
    connection: Any = stack.redis.connection_pool.get_connection()
    ping = connection.pack_command("PING")

    def ask(_: object) -> None:
        connection.send_packed_command(ping)
        connection.read_response()

    return _timed(ask, [{}] * times)[0]


def shares(stack: Stack, groups: Sequence[Sequence[Event]]) -> dict[str, float]:
    """Where the time of a batch goes: µs for each event in checking it, in writing the command, and in Redis."""
    events = sum(map(len, groups))
    moments = [time.perf_counter()]
    prepared = [append.prepare_all(group) for group in groups]
    moments.append(time.perf_counter())
    connection: Any = stack.redis.connection_pool.get_connection()
    sha = stack.redis.script_load(append.APPEND_SCRIPT)
    calls = [append.arguments(KEYS, group) for group in prepared]
    commands = [connection.pack_command("EVALSHA", sha, len(keys), *keys, *args) for keys, args in calls]
    moments.append(time.perf_counter())
    for command in commands:
        connection.send_packed_command(command)
        connection.read_response()
    moments.append(time.perf_counter())
    spans = ((after - before) / events * 1e6 for before, after in pairwise(moments))
    return dict(zip(("µs checking", "writing", "Redis"), (round(span, 1) for span in spans), strict=True))


class _Times(NamedTuple):
    """Seconds of one call, and of a batch for each of its events, in one round."""

    track: float
    rpush: float
    delay: float
    batched: float
    pipelined: float


def _one_round(stack: Stack, delay: Callable[[Event], object], source: Iterator[Event], events: int) -> _Times:
    """Ours and what it is held against take turns, call by call, so that they share the machine's slow moments."""
    track: list[float] = []
    rpush: list[float] = []
    batched: list[float] = []
    pipelined: list[float] = []
    for event in islice(source, events):
        # The JSON that is stored of it, so that both send the same.
        text = prepare(event).json
        rpush.append(_seconds(stack.redis.rpush, "bare", text))
        given = event["userId"], event["traits"], event["context"], event["timestamp"], None, None, event["messageId"]
        track.append(_seconds(stack.producer.identify, *given))
    for _ in range(events // BATCH):
        group = list(islice(source, BATCH))
        texts = [prepare(event).json for event in group]
        pipelined.append(_seconds(_pipelined, stack, texts) / BATCH)
        batched.append(_seconds(stack.producer.enqueue, group) / BATCH)
    delayed = [_seconds(delay, event) for event in islice(source, events)]
    stack.redis.delete("bare")
    return _Times(*map(median, (track, rpush, delayed, batched, pipelined)))


def _seconds(call: Callable[..., object], *args: Any) -> float:
    began = time.perf_counter()
    call(*args)
    return time.perf_counter() - began


def _pipelined(stack: Stack, texts: Sequence[bytes]) -> None:
    with stack.redis.pipeline(transaction=False) as pipe:
        for text in texts:
            pipe.rpush("bare", text)
        pipe.execute()


def rows(*, rounds: int = 5, events: int = 2_000) -> list[Row]:
    """One at a time, and by hundreds."""
    times: list[_Times] = []
    with new_stack() as stack, make_app(stack.server.url) as app:
        source = updates(3 * events * (rounds + 1))
        for turn in range(rounds + 1):
            found = _one_round(stack, app.tasks[DELIVER].delay, source, events)
            if turn:  # the first round warms up
                times.append(found)
        stack.redis.flushall()
        bare = bare_round_trip(stack)
        where = shares(stack, [list(updates(BATCH, prefix=f"share-{number}")) for number in range(events // BATCH)])
    track, rpush, delay, batched, pipelined = zip(*times, strict=True)
    by_one = {"µs": _micro(track), "RPUSH": _micro(rpush), "delay": _micro(delay), "a bare PING": round(bare * 1e6)}
    by_hundred = {"µs": _micro(batched), "RPUSH": _micro(pipelined), "delay": _micro(delay), **where}
    return [
        Row(*("enqueue one", "a bare RPUSH of its JSON", ratios(rpush, track), "x", 0.65), detail=by_one),
        Row(*("enqueue one", "Celery delay()", ratios(delay, track), "x", 5), detail=by_one),
        Row(
            *("enqueue by hundreds", "RPUSHes in a pipeline", ratios(pipelined, batched), "x", 0.75), detail=by_hundred
        ),
        Row(*("enqueue by hundreds", "Celery delay()", ratios(delay, batched), "x", 60), detail=by_hundred),
    ]


def _micro(seconds: Sequence[float]) -> float:
    return round(median(seconds) * 1e6, 1)
