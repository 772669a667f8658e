"""Personal data is shown to nobody who has not asked for it: a session of one person, and everything that it left to see."""

import html
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from .browser import DashboardProcess
from .commands import start
from .stack import KEYS, MakeStack, Stack, wait_until
from .test_dashboard_sizes import Reader
from .tracking import WRITE_KEY, TrackingApiProcess, write_config

USER: Final = "zq-user-81723"
EMAIL: Final = "zelda.quimby@example.com"
TRAITS: Final[dict[str, Any]] = {
    "email": EMAIL,
    "firstName": "Zelda",
    "lastName": "Quimby",
    "phone": "+49 30 5556 7788",
    "address": {"street": "Quimbystrasse 9", "city": "Zquimbach"},
    "score": 7788990011,
}
CONTEXT: Final[dict[str, Any]] = {"traits": TRAITS, "ip": "203.0.113.77", "userAgent": "ZQ-Agent/1.0"}
NEEDLES: Final = (
    *("user-81723", "zelda", "quimb", "55567788", "7788990011", "zquim", "203.0.113.77", "zq-agent", "zq-secret"),
    "zq-anon",
)
"""One of these is in every value, whatever case or separators it is shown with; too long to be part of a plot's numbers."""
MAPPINGS: Final = [
    {"name": "Sync contacts", "action": "createOrUpdateContact"},
    {"name": "Send events", "action": "sendEvent", "trigger": 'type = "track" and event != "Filtered"'},
    {
        "name": "Fails",
        "action": "sendEvent",
        "trigger": 'event = "Fails"',
        "fields": {"email": {"@path": "$.properties.secret"}},
    },
]
FAULTS: Final = [
    {"status": 400, "event": "Refused", "body": "quote"},
    {"status": 404, "event": "Not found", "body": "quote"},
    {"status": 503, "event": "Later", "body": "quote", "retry_after": 600},
    {"status": 401, "event": "Paused", "body": "quote"},
]


def found_in(text: str, *asked: str) -> set[str]:
    """The needles in a text, however it spells them; what was asked for by its name does not count."""
    plain = html.unescape(text).lower()
    for each in asked:
        plain = plain.replace(each.lower(), "")
    joined = re.sub(r"[\s+()-]", "", plain)
    return {needle for needle in NEEDLES if needle in plain or needle.replace("-", "") in joined}


def play(stack: Stack) -> None:
    """The session: delivered, merged, filtered, dropped, failed, refused, waiting for a retry, behind it, and a pause."""
    stack.sandbox.faults(FAULTS)
    secret = {"secret": "zq-secret no address"}
    stack.producer.identify(USER, TRAITS, context=CONTEXT, anonymous_id="zq-anon-1", message_id="identified")
    for name in ("Delivered", "Delivered", "Filtered", "Refused", "Fails", "Not found"):
        stack.producer.track(USER, name, secret, context=CONTEXT, message_id=name.lower())
        stack.wait_delivered() if name != "Not found" else wait_until(lambda: bool(stack.redis.hlen(KEYS.parked)))
    for user in (f"{USER}-b", f"later.{EMAIL}"):
        stack.producer.track(user, "Later", secret, context=CONTEXT, message_id=f"later-{len(user)}")
        stack.producer.track(user, "Behind", secret, context=CONTEXT, message_id=f"behind-{len(user)}")
    wait_until(lambda: stack.redis.hlen(KEYS.parked) == 3)
    stack.producer.track(f"{USER}-c", "Paused", secret, context=CONTEXT, message_id="paused")
    wait_until(lambda: bool(stack.redis.exists(KEYS.paused)))


def intake(stack: Stack, directory: Path) -> Iterator[str]:
    """What the Tracking API and `segue enqueue` say of events that are none."""
    with TrackingApiProcess(write_config(directory), stack.server.url) as api:
        wrong = {"type": "track", "userId": {"id": USER}, "event": "Wrong", "properties": {"x": "zq-secret"}}
        large = {"type": "track", "userId": USER, "event": "Large", "properties": {"x": "zq-secret" * 9000}}
        answer = httpx.post(f"{api.url}/v1/batch", json={"batch": [wrong, large]}, auth=(WRITE_KEY, ""), timeout=30)
        yield answer.text
        yield httpx.post(f"{api.url}/v1/track", content=f'{{"userId": "{USER}"', auth=(WRITE_KEY, "")).text
        yield "\n".join(api.said)
    people = directory / "people.csv"
    people.write_text(f"userId,email,type\n{USER}-d,{EMAIL},identify\n,,zq-secret\n{USER}-e,{EMAIL},group\n")
    yield run(stack, "enqueue", str(people), fails=True)
    lines = directory / "people.jsonl"
    lines.write_text(f'{{"type": "track", "userId": "{USER}-f"}}\n{{"userId": "{USER}", zelda\n["zq-secret"]\n')
    yield run(stack, "enqueue", str(lines), fails=True)


def run(stack: Stack, *arguments: str, fails: bool = False) -> str:
    """What a command prints."""
    with start(stack, *arguments) as process:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0 or fails, (arguments, stderr)
    assert "Traceback" not in stderr
    return stdout + stderr


COMMANDS: Final = (
    *("status", "status --json", "status loops", "status --problems", "dead list", "dead list --json", "metrics"),
    *("schema", "schema --json", "check", "check --live", "check --online", "doctor", "health", "health --strict"),
    *(f"trace {name}" for name in ("identified", "delivered", "filtered", "refused", "fails", "not found", "paused")),
    *(
        "trace later-15",
        "trace behind-15 --json",
        "dead replay loops --all --dry-run",
        "dead drop loops --all --dry-run",
    ),
    *(f"trace --contact {USER}", f"trace --contact {EMAIL} --json", "tail --since 1h --until 0s"),
    *(f"contact {USER}", f"contact {EMAIL} --json", "pause loops --reason tidying", "resume loops"),
)
FAILING: Final = {"check", "doctor", "health", "contact", "trace", "dead"}
"""Of these the exit code says what was found."""


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    stack = make_stack(mappings=MAPPINGS)
    stack.worker()
    stack.worker(beat=False, SEGUE_LOG="json")
    return stack


def crawl(reader: Reader) -> Iterator[tuple[str, str]]:
    """Every page that links lead to, from the overview on, and those of forms that do not ask for personal data."""
    left, known = ["/"], {"/"}
    while left:
        path = left.pop()
        text = reader.get(path)
        yield path, text
        for link in re.findall(r'(?:href|data-charts)="(/[^"#]*)', text):
            address = html.unescape(link)
            if address not in known and not address.startswith("/static"):
                known.add(address)
                left.append(address)
    for name in ("identified", "refused", "later-15", "not found", "nobody"):
        yield f"look up {name}", reader.post("/lookup", query=name)
    yield "confirm", reader.post("/dead/confirm", destination="loops", what="replay", everything="1")
    yield "metrics", reader.get("/metrics")


def test_nobody_sees_personal_data_who_has_not_asked_for_it(stack: Stack, tmp_path: Path) -> None:
    with start(stack, "tail") as tailing, start(stack, "tail", "--json") as tailing_json:
        for process in (tailing, tailing_json):
            assert process.stderr is not None
            assert "Following loops" in process.stderr.readline()
        play(stack)
        said = {"intake": "\n".join(intake(stack, tmp_path))}
        for name, process in (("tail", tailing), ("tail --json", tailing_json)):
            said[name] = _stopped(process)
            assert "refused" in said[name]
    with DashboardProcess(stack) as dashboard:
        reader = Reader(dashboard.url)
        said |= {f"page {path}": text for path, text in crawl(reader)}
        for query in (USER, EMAIL, f"{USER}-b"):
            text = reader.post("/lookup", query=query)
            assert found_in(text, query) == set(), f"look up {query}"
        reader.http.close()
    for command in COMMANDS:
        said[command] = run(
            stack,
            *command.split(" ", 1 if command.startswith("trace not") else -1),
            fails=command.split()[0] in FAILING,
        )
    said |= {path.name: path.read_text(errors="replace") for path in stack.directory.glob("*.log")}
    assert {name: found for name, text in said.items() if (found := found_in(text, *_asked(name)))} == {}
    # The session left something to find, and those who ask see it.
    assert len([name for name in said if name.startswith("page /dead/")]) > 1
    (letter, *_) = [letter for letter in json.loads(said["dead list --json"]) if letter["reason"] == "refused"]
    assert EMAIL in run(stack, "dead", "show", letter["id"])
    assert USER in run(stack, "dead", "list", "--reveal")


def _asked(name: str) -> tuple[str, ...]:
    return tuple(each for each in (USER, EMAIL) if each in name)


def _stopped(process: "subprocess.Popen[str]") -> str:
    process.terminate()
    stdout, stderr = process.communicate(timeout=30)
    return stdout + stderr
