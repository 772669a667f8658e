"""Django with a transactional outbox: an event is written in the same transaction as the data it tells of.

So neither exists without the other, whatever becomes of this process, of Redis or of the network; see
docs/transactional-outbox.md. `DATABASE=db.sqlite3 python examples/django_outbox.py` hands on what was written, until Ctrl-C.
"""

import asyncio
import os
import time
from datetime import timedelta

from django.db import connection
from txoutbox import Backoff, OutboxMessage, Relay, RelayConfig
from txoutbox.adapters.sqlite import SqliteStorage

from segue_producer import AsyncProducer, IdentifyEvent, TrackEvent
from segue_producer.events import prepare

TABLE = "segue_outbox"
# Redis may be away for long; what is no valid event was refused when it was recorded.
CONFIG = RelayConfig(max_attempts=1_000_000, backoff=Backoff(maximum=timedelta(seconds=30)))


def record(*events: IdentifyEvent | TrackEvent) -> None:
    """Write events, in the transaction that is open: call it in `transaction.atomic()`, beside your data.

    Raises:
        segue_producer.InvalidEvent: an event breaks the spec; the transaction is rolled back with it.
    """
    with connection.cursor() as cursor:
        for event in events:
            # It has its messageId and time from now on, so that an event which is handed on twice has its effect once.
            prepared = prepare(event)
            row = ["segue", prepared.contact, prepared.json, time.time()]
            cursor.execute(f"INSERT INTO {TABLE} (topic, key, payload, created_at) VALUES (%s, %s, %s, %s)", row)  # noqa: S608 - a constant


async def hand_on(database: str, redis_url: str | None = None) -> None:
    """Enqueue what was written, the events of one contact in their order, and each until Segue has it."""
    storage = SqliteStorage(database, table=TABLE, delete_on_ack=True)
    storage.create_schema()
    async with AsyncProducer(redis_url) as segue:

        async def publish(message: OutboxMessage) -> None:
            await segue.enqueue([message.json()])

        await Relay(storage, publish, config=CONFIG).run()


if __name__ == "__main__":
    asyncio.run(hand_on(os.environ["DATABASE"]))
