"""A pause for a while, with real workers."""

from .commands import segue
from .stack import KEYS, MakeStack, bodies, wait_until


def test_a_pause_for_a_while_ends_by_itself_on_all_workers(make_stack: MakeStack) -> None:
    stack = make_stack(rate_limit=50)
    stack.workers(2)
    segue(stack, "pause", "loops", "--reason", "a look around", "--for", "4s")
    stack.producer.track("u1", "Signed Up", context={"traits": {"email": "u1@example.com"}})

    def over() -> bool:
        sent = list(bodies(stack, "/events/send"))
        if stack.redis.exists(KEYS.paused):
            # It was paused after the ledger was read, so it was before.
            assert sent == []
            return False
        return True

    wait_until(over)
    stack.wait_delivered()
    assert [body["eventName"] for body in bodies(stack, "/events/send")] == ["Signed Up"]
