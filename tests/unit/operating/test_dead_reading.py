"""Reading dead letters."""

from collections.abc import Callable

from fakeredis import FakeRedis

from segue_worker.operating.dead_letters import Filter, in_order, matching, read_letters
from segue_worker.operating.dead_letters.reading import CHUNK
from segue_worker.outbox.dead_letter import DeadLetter

from .conftest import NOW_MS

Bury = Callable[..., DeadLetter]


def test_letters_come_oldest_first_across_round_trips(redis: FakeRedis, bury: Bury) -> None:
    count = CHUNK + 7
    letters = [bury(NOW_MS + 37 * place % count, message_ids=(f"m{place}",)) for place in range(count)]
    expected = sorted(letters, key=lambda letter: letter.at)
    assert list(matching(redis, "loops", Filter())) == expected
    assert list(matching(redis, "loops", Filter(), 3)) == expected[:3]
    assert in_order(redis, "loops", [letter.id for letter in letters]) == [letter.id for letter in expected]


def test_since_is_the_time_it_was_given_up_and_that_moment_counts(redis: FakeRedis, bury: Bury) -> None:
    _, second, third = (bury(NOW_MS + place) for place in range(3))
    assert list(matching(redis, "loops", Filter(since_ms=NOW_MS + 1))) == [second, third]


def test_a_filter_is_applied_before_the_limit(redis: FakeRedis, bury: Bury) -> None:
    bury(NOW_MS)
    wanted = [bury(NOW_MS + place, reason="expired") for place in (1, 2, 3)]
    assert list(matching(redis, "loops", Filter(reason="expired"), 2)) == wanted[:2]


def test_what_is_gone_is_left_out(redis: FakeRedis, bury: Bury) -> None:
    letter = bury()
    gone = "0" * 32
    assert list(read_letters(redis, "loops", [gone, letter.id])) == [letter]
    assert in_order(redis, "loops", [gone, letter.id]) == [letter.id]
    assert in_order(redis, "loops", []) == []
    assert in_order(redis, "other", [letter.id]) == []
