"""A service that has Celery, but not Segue, sends a task by name: `python examples/celery_client.py`."""

import os

from celery import Celery

app = Celery(broker=os.environ.get("SEGUE_BROKER_URL", "redis://localhost:6379/0"))
# With this policy a broker that is down raises an error here, instead of blocking the caller.
RETRY = {"max_retries": 1, "interval_start": 0.1}


def enqueue(*events: dict[str, object], destinations: tuple[str, ...] = ("loops",)) -> str:
    """Hand events to Segue's workers. They are as safe as your broker until a worker has put them in the outbox."""
    task = app.send_task("segue.enqueue", args=[events, destinations], queue="segue.enqueue", retry_policy=RETRY)
    return str(task.id)


if __name__ == "__main__":
    enqueue(
        # The identify event comes first, because Loops refuses events of contacts that it does not have.
        {"type": "identify", "userId": "u3", "traits": {"email": "katherine@example.com"}},
        # With messageIds of your own, a task that is sent twice has its effect once.
        {"type": "track", "messageId": "order-1003", "userId": "u3", "event": "Order Completed"},
    )
