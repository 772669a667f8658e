"""A plain script: `python examples/plain_script.py`. SEGUE_REDIS_URL says where Redis is."""

import sys

from segue_producer import EnqueueError, IdentifyEvent, Producer

CUSTOMERS = (
    ("u1", "ada@example.com", "pro"),
    ("u2", "grace@example.com", "trial"),
)


def main() -> None:
    """Tell Loops about a few customers, and what one of them did."""
    events: list[IdentifyEvent] = [
        {"type": "identify", "userId": user_id, "traits": {"email": email, "plan": plan}}
        for user_id, email, plan in CUSTOMERS
    ]
    with Producer() as segue:
        try:
            # Many at once: one round trip for a few hundred events.
            taken = segue.enqueue(events)
            # A messageId made from your own data lets a script run twice and have its effect once.
            segue.track("u1", "Order Completed", {"total": 99}, message_id="order-1002")
        except EnqueueError as error:
            sys.exit(str(error))
    sys.stdout.write(f"{len(taken) + 1} events enqueued\n")


if __name__ == "__main__":
    main()
