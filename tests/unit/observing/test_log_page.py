"""Pages of the log: in order, complete, and of bounded effort."""

import pytest
from fakeredis import FakeRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue_producer.keys import Keys
from segue_worker.observing import log_page
from segue_worker.observing.log_lines import LogFilter
from segue_worker.observing.log_page import Place, read_page
from segue_worker.outbox.log_record import EventPart, Record

NAMES = ("a", "b", "c")
ENTRIES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.sampled_from(["delivered", "filtered"]), st.integers(1, 3)),
    max_size=30,
)


def record(redis: FakeRedis, destination: str, at: int, *parts: tuple[str, str]) -> None:
    events = [EventPart(message_id, "E", outcome, 1) for message_id, outcome in parts]  # type: ignore[arg-type]
    redis.xadd(Keys(destination).log, {"e": Record("0" * 16, events).to_json()}, id=f"{at}-*")


def through(redis: FakeRedis, wanted: LogFilter, most: int) -> list[str]:
    """Every line, page after page."""
    found, before = [], None
    for _ in range(1000):
        page = read_page(redis, NAMES, wanted, most=most, before=before)
        found += [line.message_id for _, line in page.lines]
        before = page.older and Place.read(str(page.older))
        if before is None:
            return found
    raise AssertionError("the pages do not end")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(ENTRIES, st.integers(1, 5), st.sampled_from([(), ("delivered",)]), st.sampled_from([7, 10_000]))
def test_the_pages_together_have_each_line_once_newest_first(
    entries: list[tuple[str, int, str, int]], most: int, outcomes: tuple[str, ...], effort: int
) -> None:
    redis = FakeRedis()
    redis.flushall()
    at = dict.fromkeys(NAMES, 1)
    expected: list[tuple[int, int, str, int, str]] = []
    for number, (name, later, outcome, events) in enumerate(entries):
        at[name] += later
        ids = [f"{number}.{event}" for event in range(events)]
        record(redis, name, at[name], *((each, outcome) for each in ids))
        same = sum(1 for other in expected if (other[0], other[2]) == (at[name], name) and other[3] == 0)
        expected += [
            (at[name], same, name, event, each) for event, each in enumerate(ids) if not outcomes or outcome in outcomes
        ] or [(at[name], same, name, 0, "")]
    places = sorted(((ms, same, name), -event, each) for ms, same, name, event, each in expected if each)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_page, "EFFORT", effort)
        patch.setattr(log_page, "CHUNK", 4)
        assert through(redis, LogFilter(outcomes=outcomes), most) == [each for *_, each in reversed(places)]


def test_a_page_ends_after_so_much_effort_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = FakeRedis()
    redis.flushall()
    for at in range(1, 1001):
        record(redis, "a", at, (f"m{at}", "delivered"))
    monkeypatch.setattr(log_page, "EFFORT", 500)
    page = read_page(redis, ["a"], LogFilter(outcomes=["dead"]), most=50)
    assert (page.lines, page.full) == ([], False)
    assert page.older is not None
    assert 1 < page.older.at < 600


def test_times_are_looked_up_and_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = FakeRedis()
    redis.flushall()
    for at in range(1, 1001):
        record(redis, "a", at, (f"m{at}", "delivered"))
    monkeypatch.setattr(log_page, "EFFORT", 100)
    page = read_page(redis, ["a"], LogFilter(since_ms=3, until_ms=5), most=50)
    assert [line.message_id for _, line in page.lines] == ["m5", "m4", "m3"]
    assert page.older is None


@pytest.mark.parametrize("text", ["", "1", "1-2", "1-2:A B", "x-1:a", "1-2:a\n", "1" * 16 + "-0:a"])
def test_a_place_that_is_none(text: str) -> None:
    assert Place.read(text) is None
