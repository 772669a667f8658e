"""`segue enqueue` with real files, a real worker and the sandbox."""

import json
import os
import signal
import subprocess
from pathlib import Path

from .commands import segue, start
from .stack import MakeStack, Stack, wait_until

LINES = 30_000


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    with process:
        stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def test_a_file_is_delivered_once_and_what_is_wrong_with_it_is_named(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    stack.worker()
    people = tmp_path / "people.csv"
    people.write_text("userId,email,age:number\nu1,u1@example.com,41\nu2,u2@example.com,old\n,,1\nu4,u4@example.com,\n")
    code, stdout, stderr = ended(start(stack, "enqueue", str(people), "--json"))
    assert (code, json.loads(stdout)) == (1, {"lines": 5, "enqueued": 2, "invalid": 2, "skipped": 0})
    assert "line 3: age: must be a number" in stderr
    assert "line 4: has no userId" in stderr
    stack.wait_delivered()
    assert {contact["userId"]: contact.get("age") for contact in stack.sandbox.contacts()} == {"u1": 41, "u4": None}

    assert segue(stack, "enqueue", str(people), "--json") == {"lines": 5, "enqueued": 0, "invalid": 0, "skipped": 5}
    code, stdout, _ = ended(start(stack, "enqueue", str(people), "--json", "--from-start"))
    assert (code, json.loads(stdout)["enqueued"]) == (1, 2)
    stack.wait_delivered()
    assert stack.counters["duplicates"] == 2
    assert len(stack.sandbox.requests()) == 2


def enqueued(stack: Stack) -> int:
    return int(stack.redis.get("segue:{loops}:pending") or 0)


def test_a_killed_run_goes_on_where_it_stopped(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    file = tmp_path / "events.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(
            json.dumps({"userId": f"u{number % 500}", "traits": {"email": f"u{number % 500}@example.com", "n": number}})
            + "\n"
            for number in range(LINES)
        )
    process = start(stack, "enqueue", str(file), "--json")
    wait_until(lambda: enqueued(stack) > LINES // 10, within_s=60)
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    assert enqueued(stack) < LINES
    told = segue(stack, "enqueue", str(file), "--json")
    assert told["lines"] == told["skipped"] + told["enqueued"] == LINES
    assert told["skipped"] >= LINES // 10 - 500
    twice = enqueued(stack) - LINES
    assert 0 <= twice <= 500, "what the killed run had not noted yet"
    stack.workers(2)
    wait_until(lambda: enqueued(stack) == 0, within_s=120)
    assert {contact["userId"]: contact["n"] for contact in stack.sandbox.contacts()} == {
        f"u{number}": LINES - 500 + number for number in range(500)
    }
    assert (stack.counters["delivered"], stack.counters.get("duplicates", 0)) == (LINES, twice)


def test_a_dry_run_shows_requests_and_enqueues_nothing(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    file = tmp_path / "orders.csv"
    file.write_text("userId,email,total:number\n" + "".join(f"u{n},u{n}@example.com,{n}\n" for n in range(12)))
    options = ("--type", "track", "--event", "Order Completed", "--dry-run")
    code, stdout, stderr = ended(start(stack, "enqueue", str(file), *options))
    assert code == 0
    assert stdout.count("POST /events/send") == 10
    assert "12 events could be enqueued, 0 could not; nothing was" in stderr
    assert enqueued(stack) == 0


def test_what_is_no_file_of_events_is_refused(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    code, _, stderr = ended(start(stack, "enqueue", "/dev/zero"))
    assert (code, stderr) == (2, "/dev/zero: neither a file nor a pipe\n")
    (tmp_path / "twice.csv").write_text("userId,userId\n")
    code, _, stderr = ended(start(stack, "enqueue", str(tmp_path / "twice.csv")))
    assert code == 2
    assert "the column 'userId' is there twice" in stderr
