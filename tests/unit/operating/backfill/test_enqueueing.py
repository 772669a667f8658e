"""A backfill goes on where it stopped, and waits while the outbox is full."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
from fakeredis import FakeRedis

from segue_producer import Producer
from segue_producer.errors import OutboxFull, OutboxUnavailable
from segue_producer.events import Prepared
from segue_worker.operating.backfill import Backfill, EventFile, LineTotals


class FakeProducer(Producer):
    """Takes events until it is told to fail."""

    def __init__(self) -> None:
        super().__init__(destinations=("loops",))
        self.got: list[str] = []
        self.room = 10**9
        self.away_after = 10**9

    def enqueue_prepared(self, prepared: Sequence[Prepared], **_: Any) -> list[str]:
        if len(self.got) >= self.away_after:
            raise OutboxUnavailable("Redis is away")
        ids = [event.message_id for event in prepared]
        taken, owed = ids[: self.room], ids[self.room :]
        self.got += taken
        if owed:
            raise OutboxFull("full", taken=taken, owed={"loops": owed})
        return ids


LINES = [f'{{"userId": "u{number}", "messageId": "m{number}"}}' for number in range(1200)]
IDS = [f"m{number}" for number in range(1200)]


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


def run(
    producer: FakeProducer, redis: FakeRedis, lines: Sequence[str], *, name: str = "/a/file", options: str = ""
) -> LineTotals:
    def sleep(_: float) -> None:
        producer.room += 100

    backfill = Backfill(producer, redis, ["loops"], "bulk", waits=lambda _: None, sleep=sleep)
    file = EventFile(io.BytesIO("\n".join(lines).encode()), as_csv=False, defaults={"type": "identify"})
    for _ in backfill.enqueue(file, name=name, options=options):
        pass
    return backfill.totals


def test_all_is_enqueued_once(producer: FakeProducer, redis: FakeRedis) -> None:
    assert run(producer, redis, LINES) == LineTotals(lines=1200, enqueued=1200)
    assert producer.got == IDS
    assert run(producer, redis, LINES) == LineTotals(lines=1200, skipped=1200)
    assert producer.got == IDS


def test_it_goes_on_where_it_stopped(producer: FakeProducer, redis: FakeRedis) -> None:
    producer.away_after = 500
    with pytest.raises(OutboxUnavailable):
        run(producer, redis, LINES)
    producer.away_after = 10**9
    assert run(producer, redis, LINES) == LineTotals(lines=1200, enqueued=700, skipped=500)
    assert producer.got == IDS


def test_what_was_added_is_enqueued(producer: FakeProducer, redis: FakeRedis) -> None:
    run(producer, redis, [*LINES[:1000], ""])
    assert run(producer, redis, LINES) == LineTotals(lines=1200, enqueued=200, skipped=1000)
    assert producer.got == IDS


def csv_run(producer: FakeProducer, redis: FakeRedis, text: str) -> LineTotals:
    backfill = Backfill(producer, redis, ["loops"], "bulk", waits=lambda _: None, sleep=lambda _: None)
    file = EventFile(io.BytesIO(text.encode()), as_csv=True, defaults={"type": "identify"})
    for _ in backfill.enqueue(file, name="/a/people.csv", options=""):
        pass
    return backfill.totals


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_last_line_without_an_end_is_enqueued_once(producer: FakeProducer, redis: FakeRedis, end: str) -> None:
    text = "userId,messageId\nu1,m1\nu2,m2"
    assert csv_run(producer, redis, text) == LineTotals(lines=3, enqueued=2)
    assert csv_run(producer, redis, text + end).enqueued == 0
    assert csv_run(producer, redis, text + end + ("\n" if not end else "") + "u3,m3\n").enqueued == 1
    assert producer.got == ["m1", "m2", "m3"]


@pytest.mark.parametrize("written", ["userId,messageId\nu1,m1\nu2,m", 'userId,messageId\nu1,m1\n"u2\n'])
def test_a_line_that_was_being_written_is_read_again_from_its_beginning(
    producer: FakeProducer, redis: FakeRedis, written: str
) -> None:
    csv_run(producer, redis, written)
    rest = "2\nu3,m3\n" if written.endswith("m") else 'x",m2\nu3,m3\n'
    csv_run(producer, redis, written + rest)
    assert [each for each in producer.got if each != "m"] == ["m1", "m2", "m3"]
    assert csv_run(producer, redis, written + rest).enqueued == 0


def test_a_json_line_that_was_being_written_is_read_again(producer: FakeProducer, redis: FakeRedis) -> None:
    assert run(producer, redis, [LINES[0], LINES[1][:20]]) == LineTotals(lines=2, enqueued=1, invalid=1)
    assert run(producer, redis, LINES[:3]) == LineTotals(lines=3, enqueued=2, skipped=1)
    assert producer.got == IDS[:3]


def test_an_outbox_smaller_than_a_batch_is_filled_again_and_again(redis: FakeRedis) -> None:
    """Batches are taken whole or not at all, so one that is larger than the outbox would wait for ever."""

    class Small(FakeProducer):
        def enqueue_prepared(self, prepared: Sequence[Prepared], **_: Any) -> list[str]:
            if len(prepared) > 7:
                raise OutboxFull("full", taken=[], owed={"loops": [event.message_id for event in prepared]})
            return super().enqueue_prepared(prepared)

    producer = Small()
    backfill = Backfill(producer, redis, ["loops"], "bulk", waits=lambda _: None, sleep=lambda _: None)
    file = EventFile(io.BytesIO("\n".join(LINES).encode()), as_csv=False, defaults={"type": "identify"})
    for _ in backfill.enqueue(file, name="/a/file", options=""):
        pass
    assert producer.got == IDS


@pytest.mark.parametrize("other", [{"name": "/another/file"}, {"options": "--type track"}])
def test_another_file_or_another_use_of_it_begins_at_the_beginning(
    producer: FakeProducer, redis: FakeRedis, other: dict[str, str]
) -> None:
    run(producer, redis, LINES)
    assert run(producer, redis, LINES, **other).enqueued == 1200


def test_a_file_that_begins_otherwise_is_read_from_its_beginning(producer: FakeProducer, redis: FakeRedis) -> None:
    run(producer, redis, LINES)
    assert run(producer, redis, ['{"userId": "new"}', *LINES]) == LineTotals(lines=1201, enqueued=1201)
    assert run(producer, redis, LINES[:10]) == LineTotals(lines=10, enqueued=10)


def test_a_pipe_is_read_from_its_beginning(producer: FakeProducer, redis: FakeRedis) -> None:
    run(producer, redis, LINES, name="")
    assert run(producer, redis, LINES, name="").enqueued == 1200
    assert redis.keys() == []


def test_a_full_outbox_is_waited_for_and_nobody_is_enqueued_twice(producer: FakeProducer, redis: FakeRedis) -> None:
    producer.room = 120
    assert run(producer, redis, LINES) == LineTotals(lines=1200, enqueued=1200)
    assert producer.got == IDS


def test_what_is_invalid_is_named_and_counted(producer: FakeProducer, redis: FakeRedis) -> None:
    totals = run(producer, redis, ["nonsense", *LINES, "{}"])
    assert totals == LineTotals(lines=1202, enqueued=1200, invalid=2)
