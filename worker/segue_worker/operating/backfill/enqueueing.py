"""Puts the events of a file into the outbox, and goes on where an earlier run of the same file stopped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import orjson
from redis import Redis
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from segue_producer import Producer
from segue_producer.errors import OutboxFull
from segue_producer.events import Prepared
from segue_producer.lanes import Lane
from segue_worker.operating.backfill.reading import EventFile, FileRow, Position

KEY: Final = "segue:backfill:at:"
KEPT_S: Final = 7 * 24 * 3600
"""How long it is remembered how far a file was enqueued."""
_AT_ONCE: Final = 500
_PATIENCE_S: Final = 3600.0
"""How long a full outbox is waited for without a single place."""


@dataclass
class LineTotals:
    """What became of the lines of a file.

    Attributes:
        lines: how many were read or skipped.
        enqueued: events put into the outbox by this run.
        invalid: records that are no event.
        skipped: lines that an earlier run had been through.
    """

    lines: int = 0
    enqueued: int = 0
    invalid: int = 0
    skipped: int = 0

    def to_dict(self) -> dict[str, int]:
        """As `--json` prints them."""
        return asdict(self)


class Backfill:
    """Enqueues the events of a file.

    Args:
        producer: of the destinations that get them.
        redis: where it is noted how far the file was enqueued; None to note nothing, and begin at the beginning.
        destinations: their names.
        lane: of the events.
        waits: called with a text while the outbox is full.
        sleep: waits for seconds.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        producer: Producer,
        redis: Redis | None,
        destinations: Sequence[str],
        lane: Lane,
        *,
        waits: Callable[[str], None],
        sleep: Callable[[float], Any],
    ) -> None:
        self._producer = producer
        self._redis = redis
        self._about = repr((sorted(destinations), lane)).encode()
        self._lane = lane
        self._waits = waits
        self._sleep = sleep
        self.totals = LineTotals()

    def enqueue(self, file: EventFile, *, name: str, options: str) -> Iterator[Sequence[FileRow]]:
        """Enqueue a file's events, and yield what is wrong with it, batch by batch.

        Args:
            file: at its first event.
            name: by which the file is known; "" for one that cannot be known again, such as a pipe.
            options: whatever else makes other events of the same file.

        Raises:
            EnqueueError: events were not taken; run again, it goes on there.
        """
        key = (
            KEY + blake2b(b"\0".join([self._about, name.encode("utf-8", "replace"), options.encode()])).hexdigest()[:32]
        )
        noted = self._redis if name else None
        places = orjson.loads((noted.get(key) if noted is not None else None) or b"[]")
        if file.skip(Position(*place) for place in places):
            self.totals.skipped = file.line
        records = iter(file)
        while batch := list(islice(records, _AT_ONCE)):
            events = [record.event for record in batch if record.event is not None]
            wrong = [record for record in batch if record.event is None]
            if events:
                self._put(events)
            self.totals.enqueued += len(events)
            self.totals.invalid += len(wrong)
            yield wrong
            if noted is not None:
                noted.set(key, orjson.dumps(file.position(), default=tuple), ex=KEPT_S)
        self.totals.lines = file.line

    def _put(self, events: Sequence[Prepared]) -> None:
        left = list(events)
        at_once = len(left)

        def put() -> None:
            nonlocal at_once
            while left:
                try:
                    self._producer.enqueue_prepared(left[:at_once], lane=self._lane)
                except OutboxFull as error:
                    # What only some destinations have, the producer gives to the others.
                    taken = set(error.taken)
                    left[:] = [event for event in left if event.message_id not in taken]
                    # There may never be room for so many at once.
                    at_once = max(1, at_once // 2)
                    raise
                del left[:at_once]
                at_once *= 2

        retrying = Retrying(
            retry=retry_if_exception_type(OutboxFull),
            wait=wait_exponential(multiplier=0.5, max=30),
            stop=stop_after_delay(_PATIENCE_S),
            sleep=self._sleep,
            before_sleep=lambda state: self._waits(str(state.outcome.exception()) if state.outcome else ""),
            reraise=True,
        )
        retrying(put)
