"""Pausing by hand: until somebody resumes it, or for a while."""

from datetime import timedelta

import pytest
from fakeredis import FakeRedis

from segue_worker.operating.pause import pause, read_span, resume
from segue_worker.outbox.pause import Pause, PauseKind, begin

from .conftest import KEYS, NOW_MS


def paused(redis: FakeRedis) -> Pause:
    raw = redis.get(KEYS.paused)
    assert raw is not None
    return Pause.from_json(raw)


def test_without_a_time_it_lasts_until_it_is_resumed(redis: FakeRedis) -> None:
    made, earlier = pause(redis, "loops", "because", now_ms=NOW_MS)
    assert (made, earlier) == (Pause("because", NOW_MS, None), False)
    assert paused(redis) == made
    assert redis.pttl(KEYS.paused) == -1
    assert resume(redis, "loops")
    assert not redis.exists(KEYS.paused)


def test_with_a_time_redis_ends_it(redis: FakeRedis) -> None:
    made, _ = pause(redis, "loops", "because", for_ms=1_800_000, now_ms=NOW_MS)
    assert made.until == NOW_MS + 1_800_000
    assert paused(redis) == made
    assert 1_790_000 < redis.pttl(KEYS.paused) <= 1_800_000


def test_the_last_word_counts_and_the_beginning_stays(redis: FakeRedis) -> None:
    redis.set(KEYS.paused, begin(PauseKind.DOWN, "Loops is down", NOW_MS - 5000).to_json())
    made, earlier = pause(redis, "loops", "because", for_ms=60_000, now_ms=NOW_MS)
    assert earlier
    assert made == Pause("because", NOW_MS - 5000, None, until=NOW_MS + 60_000)
    pause(redis, "loops", "longer", now_ms=NOW_MS + 1)
    assert paused(redis) == Pause("longer", NOW_MS - 5000, None)
    assert redis.pttl(KEYS.paused) == -1


def test_the_time_is_that_of_the_server(redis: FakeRedis) -> None:
    before = redis.time()[0] * 1000
    made, _ = pause(redis, "loops", "because")
    assert before <= made.since <= redis.time()[0] * 1000 + 1000


@pytest.mark.parametrize("text", ["", "soon", "30", "0s", "-5m", "400d", "999999999999999d"])
def test_a_time_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_span(text)


def test_a_time_is_written_as_in_the_configuration() -> None:
    assert read_span("1h30m") == timedelta(minutes=90)
