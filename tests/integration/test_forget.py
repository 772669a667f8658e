"""`segue forget` as a real command, against Redis and the sandbox."""

from segue_producer.keys import Keys

from .commands import segue, start
from .stack import MakeStack, wait_until


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

    assert segue(stack, "forget", "u1", "--loops", "--yes", "--json") == {
        "loops": {"events": 1, "dead_letters": 2, "log_entries": 3, "contact_deleted": True}
    }
    assert stack.pending == 1
    assert [contact["userId"] for contact in stack.sandbox.contacts()] == ["u2"]
    left = b"".join(value for _, value in stack.redis.hscan_iter(Keys("loops").dead))
    assert b"u1" not in left
    assert b"u2" in left

    assert segue(stack, "forget", "u1", "--loops", "--yes", "--json") == {
        "loops": {"events": 0, "dead_letters": 0, "log_entries": 0, "contact_deleted": False}
    }


def test_an_email_in_any_spelling_finds_the_person_here_and_at_loops(make_stack: MakeStack) -> None:
    stack = make_stack()
    for user in ("u1", "u2"):
        stack.producer.identify(user, {"email": f"{user}@example.com"})
    stack.worker()
    stack.wait_delivered()
    segue(stack, "pause", "loops")
    for user in ("u1", "u2"):
        stack.producer.track(user, "Later", {"email": f"{user}@example.com"})
        stack.producer.track(user, "Later still")
    assert segue(stack, "forget", "U1@Example.com", "--loops", "--yes", "--json") == {
        "loops": {"events": 2, "dead_letters": 0, "log_entries": 1, "contact_deleted": True}
    }
    assert stack.pending == 2
    assert [contact["userId"] for contact in stack.sandbox.contacts()] == ["u2"]


def test_forget_waits_for_a_delivery_and_none_of_its_requests_comes_after(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.sandbox.add_fault(kind="delay_before_apply", contact="u1", delay_ms=60_000)
    stack.producer.track("u1", "Under way", {"email": "u1@example.com"})
    stack.worker()
    wait_until(lambda: len(stack.sandbox.requests()) == 1)
    with start(stack, "forget", "u1", "--yes") as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "a delivery of theirs is under way" in stderr
    (under_way,) = stack.sandbox.requests()
    assert under_way["ended_at"] is not None, "it was broken off"
    stack.producer.track("u2", "Later", {"email": "u2@example.com"})
    stack.wait_delivered()
    assert [record["body"]["eventName"] for record in stack.sandbox.requests()] == ["Under way", "Later"]
