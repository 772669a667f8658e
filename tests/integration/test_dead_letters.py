"""What is given up can be seen, and sent again once its cause is gone."""

from .commands import segue
from .stack import MakeStack, wait_until

LIST = "cll123newsletter"


def test_a_contact_refused_for_an_unknown_list_is_replayed_once_the_list_exists(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.worker()
    stack.producer.identify("u1", {"email": "u1@example.com", "mailingLists": {LIST: True}}, message_id="m1")
    stack.wait_delivered()
    assert stack.sandbox.contacts() == []
    (letter,) = segue(stack, "dead", "list", "--json")
    assert (letter["reason"], letter["status"], letter["messageIds"]) == ("refused", 400, ["m1"])
    assert letter["mappings"] == ["Sync contacts"]
    (details,) = segue(stack, "dead", "show", letter["id"], "--json")
    assert details["request"]["path"] == "/contacts/update"
    assert details["answer"]["status"] == 400

    stack.sandbox.lists([{"id": LIST, "name": "Newsletter"}])
    assert segue(stack, "dead", "replay", letter["id"], "--json")["replayed"] == [letter["id"]]
    stack.wait_delivered()
    (contact,) = stack.sandbox.contacts()
    assert contact["mailingLists"] == {LIST: True}
    assert segue(stack, "dead", "list", "--json") == []
    assert stack.counters["delivered"] == stack.counters["replayed"] == 1


def test_a_replayed_event_is_a_new_request_and_keeps_its_contacts_order(make_stack: MakeStack) -> None:
    stack = make_stack()
    names = ["First", "Second", "Third"]
    stack.sandbox.faults([{"status": 400, "event": name, "count": 1} for name in names])
    stack.worker()
    context = {"traits": {"email": "u1@example.com"}}
    for name in names:
        stack.producer.track("u1", name, context=context, message_id=name)
    stack.wait_delivered()
    assert stack.sandbox.events() == []
    letters = segue(stack, "dead", "list", "--json")
    assert [letter["messageIds"] for letter in letters] == [[name] for name in names]

    segue(stack, "pause", "loops")
    segue(stack, "dead", "replay", "--reason", "refused")
    stack.producer.track("u1", "Fourth", context=context)
    segue(stack, "resume", "loops")
    stack.wait_delivered()
    assert [event["eventName"] for event in stack.sandbox.events()] == [*names, "Fourth"]
    keys = [record["idempotency_key"] for record in stack.sandbox.requests()]
    assert len(set(keys)) == len(keys) == 7
    # The messageIds count as settled; only the replay went past that.
    for name in names:
        stack.producer.track("u1", name, context=context, message_id=name)
    stack.wait_delivered()
    assert len(stack.sandbox.requests()) == 7


def test_a_replay_that_is_refused_again_is_a_dead_letter_again(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.sandbox.faults([{"status": 400, "path": "/events/send", "count": 2}])
    stack.worker()
    stack.producer.track("u1", "Signed Up", context={"traits": {"email": "u1@example.com"}})
    stack.wait_delivered()
    seen = []
    for _ in range(2):
        (letter,) = segue(stack, "dead", "list", "--json")
        seen.append(letter["id"])
        segue(stack, "dead", "replay", "--all")
        stack.wait_delivered()
    assert len(set(seen)) == 2
    assert len(stack.sandbox.events()) == 1
    wait_until(lambda: segue(stack, "dead", "list", "--json") == [])
