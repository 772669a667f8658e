"""`segue forget` as a real command, against Redis and the sandbox."""

from segue_producer.keys import Keys

from .commands import segue
from .stack import MakeStack


def test_a_person_is_forgotten_here_and_at_loops_and_nobody_else(make_stack: MakeStack) -> None:
    stack = make_stack()
    for user in ("u1", "u2"):
        stack.producer.identify(user, {"email": f"{user}@example.com"})
        stack.producer.identify(user, {"mailingLists": {"no such list": True}})
        stack.producer.track(user, "E", {"email": "no address"})
    stack.worker()
    stack.wait_delivered()
    segue(stack, "pause", "loops")
    for user in ("u1", "u2"):
        stack.producer.track(user, "Later")
    assert stack.redis.hlen(Keys("loops").dead) == 4

    assert segue(stack, "forget", "u1", "--loops", "--json") == {
        "loops": {"events": 1, "dead_letters": 2, "log_entries": 3, "contact_deleted": True}
    }
    assert stack.pending == 1
    assert [contact["userId"] for contact in stack.sandbox.contacts()] == ["u2"]
    left = b"".join(value for _, value in stack.redis.hscan_iter(Keys("loops").dead))
    assert b"u1" not in left
    assert b"u2" in left

    assert segue(stack, "forget", "u1", "--loops", "--json") == {
        "loops": {"events": 0, "dead_letters": 0, "log_entries": 0, "contact_deleted": False}
    }
