"""`segue trace` and `segue tail`, with real processes."""

import json
from typing import Any

from segue_worker.observing.trace import read_trails
from segue_worker.outbox.names import name_digest

from .commands import segue, start
from .stack import KEYS, MakeStack, Stack, wait_until


def outcome(stack: Stack, message_id: str) -> str:
    (trail,) = segue(stack, "trace", message_id, "--json")
    return str(trail["outcome"])


def test_trace_answers_for_whatever_can_become_of_an_event(make_stack: MakeStack) -> None:
    stack = make_stack()
    email = {"email": "ada@example.com"}
    stack.sandbox.faults([{"status": 400, "event": "Refused"}, {"status": 503, "event": "Failing"}])
    with start(stack, "tail", "--json", "--outcome", "delivered", "--outcome", "dead") as tailing:
        assert tailing.stderr is not None
        assert tailing.stdout is not None
        stack.worker()
        assert "Following loops" in tailing.stderr.readline()
        stack.producer.enqueue(
            [
                {
                    "type": "identify",
                    "userId": "merging",
                    "traits": {**email, "n": number},
                    "messageId": f"merged{number}",
                }
                for number in range(2)
            ]
        )
        for user, name in (("u1", "Delivered"), ("u2", "Refused"), ("u3", "Failing")):
            stack.producer.track(user, name, email, message_id=name)
        stack.producer.track("u1", "Delivered", email, message_id="Delivered")
        stack.producer.track("u1", "Kept back", email, message_id="filtered", integrations={"All": False})
        wait_until(lambda: stack.pending == 1 and stack.redis.hlen(KEYS.parked) == 1)
        told = [json.loads(tailing.stdout.readline()) for _ in range(4)]
        tailing.terminate()
    assert {(line["messageId"], line["outcome"]) for line in told} == {
        *(("merged0", "delivered"), ("merged1", "delivered")),
        *(("Delivered", "delivered"), ("Refused", "dead")),
    }
    assert "ada@example.com" not in str(told)

    expected = {"merged0": "delivered", "Delivered": "delivered", "filtered": "filtered", "Refused": "dead"}
    assert {name: outcome(stack, name) for name in expected} == expected
    assert outcome(stack, "Failing") == "parked"
    (merged,) = segue(stack, "trace", "merged0", "--json")
    assert merged["merged_with"] == ["merged1"]
    (delivered,) = segue(stack, "trace", "Delivered", "--json")
    assert [step["what"] for step in delivered["steps"]] == ["enqueued", "attempt", "delivered", "duplicate"]

    # All of them came with this email, though under other userIds.
    theirs = segue(stack, "trace", "--contact", " ADA@Example.com ", "--json")
    assert {trail["messageId"]: trail["outcome"] for trail in theirs} == {
        **expected,
        "Failing": "parked",
        "merged1": "delivered",
    }
    (refused,) = segue(stack, "trace", "--contact", "U2", "--json")
    attempts = [step for step in refused["steps"] if step["what"] == "attempt"]
    assert [step["status"] for step in attempts] == [400]
    mapping = attempts[0]["mapping"]

    told = segue(stack, "tail", "--since", "1h", "--until", "0s", "--status", "4xx", "--mapping", mapping, "--json")
    assert (told["messageId"], told["outcome"], told["why"]) == ("Refused", "dead", "refused")
    (dead,) = segue(stack, "trace", "--contact", "ada@example.com", "--outcome", "dead", "--since", "1h", "--json")
    assert dead["messageId"] == "Refused"

    stack.sandbox.faults([])
    segue(stack, "dead", "replay", "--all", "--yes", "--json")
    wait_until(lambda: outcome(stack, "Refused") == "delivered")
    assert "replayed" in [step["what"] for step in segue(stack, "trace", "Refused", "--json")[0]["steps"]]


def test_an_unknown_id_exits_with_1(make_stack: MakeStack) -> None:
    with start(make_stack(), "trace", "never-enqueued") as process:
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (1, "")
    assert "No event with this messageId is known at any destination" in stderr


def test_an_event_and_a_person_are_found_in_a_full_log(make_stack: MakeStack) -> None:
    stack = make_stack()
    pipe = stack.redis.pipeline(transaction=False)
    for number in range(100_000):
        ref: list[Any] = [["/events/send", [[f"m{number}", "Send events"]], [[1, 200, 9]], 1, "delivered", "", 0, ""]]
        entry = [name_digest(f"u{number % 50_000}"), [[f"m{number}", "E", "delivered", 1, "", []]], *ref]
        pipe.xadd(KEYS.log, {"e": json.dumps(entry, separators=(",", ":"))})
        if number % 10_000 == 0:
            pipe.execute()
    pipe.execute()
    (trail,) = read_trails(stack.redis, "loops", "m77777")
    assert trail.outcome == "delivered"
    theirs = segue(stack, "trace", "--contact", "u27777", "--json")
    assert {trail["messageId"] for trail in theirs} == {"m27777", "m77777"}
