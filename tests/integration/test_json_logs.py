"""`SEGUE_LOG=json`: whoever writes to a process's streams, each line is a JSON object with the documented fields."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from segue_producer.broker import celery_app
from segue_producer.settings import DELIVER, QUEUE
from segue_worker.outbox.counters import COUNTERS

from .commands import start
from .stack import MakeStack, Stack, celery_worker, wait_until
from .tracking import WRITE_KEY, write_config

DOCS = Path(__file__).parents[2] / "docs" / "logs.md"
# What libraries may do at any time, in any thread; done once the file `now` is there.
NOISE = """
import os, pathlib, sys, threading, time, warnings
if {"worker", "tracking-api", "dashboard"} & set(sys.argv):
    def noise():
        while not pathlib.Path(os.environ["NOISE"]).exists():
            time.sleep(0.05)
        warnings.warn("a warning of a library")
        print("printed by a library\\nin two lines", flush=True)
        os.write(2, b"written past all of Python\\n")
        raise RuntimeError("raised in a thread, for ada@example.com\\n{\\"at\\": \\"forged\\"}")
    threading.Thread(target=noise, daemon=True).start()
"""


@pytest.fixture
def noisy(tmp_path: Path) -> dict[str, str]:
    """Environment of a process that makes noise, and logs JSON."""
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "sitecustomize.py").write_text(NOISE, encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path / "noise"), "NOISE": str(tmp_path / "now"), "SEGUE_LOG": "json"}


def records(text: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which must be a JSON object with what every one has."""
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        assert {"at", "level", "logger", "message"} <= each.keys(), each
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", each["at"])
        assert each["level"] in {"debug", "info", "warning", "error", "critical"}
    return found


def check_noise(found: list[dict[str, Any]]) -> None:
    messages = " ".join(each.get("error", each["message"]) for each in found)
    for said in ("a warning of a library", "printed by a library\nin two lines", "written past all of Python"):
        assert said in messages
    (raised,) = [each for each in found if "raised in a thread" in each.get("error", "")]
    assert (raised["level"], raised["error"].count("Traceback")) == ("error", 1)
    assert raised["message"] == "RuntimeError: raised in a thread, for ada@example.com"


def test_every_line_of_a_worker_is_json(make_stack: MakeStack, noisy: dict[str, str]) -> None:
    stack = make_stack(skip_unchanged="0s")
    stack.sandbox.add_fault(status=503, count=1)
    worker = stack.worker(beat=True, wait=True, **noisy)
    stack.producer.track("u1", "Signed Up", {"email": "ada@example.com"}, message_id="m1")
    stack.producer.track("u2", "Signed Up", message_id="m2")
    stack.wait_delivered()
    broker = celery_app("test", stack.broker_url, timeout=5, set_as_current=False)
    broker.send_task("no.such.task", queue=QUEUE)
    broker.send_task(DELIVER, ["too", "many", "arguments"], queue=QUEUE)
    stack.redis.lpush(QUEUE, "no message at all")
    wait_until(lambda: "threw away" in worker.log.read_text() and "takes 1 positional" in worker.log.read_text())
    Path(noisy["NOISE"]).touch()
    wait_until(lambda: "raised in a thread" in worker.log.read_text())
    assert worker.stop() == 0
    found = records(worker.log.read_text())
    check_noise(found)
    assert not [each for each in found if "ada@example.com" in str(each) and "raised in a thread" not in str(each)]
    messages = [each["message"] for each in found]
    assert any(message.endswith(" ready.") for message in messages)
    assert any("Warm shutdown" in message for message in messages)
    retry, letter = (next(each for each in found if name in each) for name in ("next_s", "dead_letter"))
    assert retry["message_ids"] in (["m1"], ["m2"])
    told = ("destination", "event", "mapping", "status", "reason", "attempt")
    assert [retry[name] for name in told] == ["loops", "Signed Up", "Send events", 503, "503 Service Unavailable", 1]
    assert [letter[name] for name in told][:5] == ["loops", "Signed Up", "Send events", 400, "unknown_contact"]
    (minute,) = [each for each in found if each["message"].startswith("the last minute at loops")]
    assert (minute["delivered"], minute["dead"], minute["requests"], minute["retries"]) == (1, 1, 3, 1)
    named = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for each in found for name in each} <= {*named, *COUNTERS}


def test_a_worker_that_starts_anew_on_sighup_goes_on_with_its_log(make_stack: MakeStack) -> None:
    stack = make_stack()
    log = stack.directory / "anew.log"
    with log.open("wb") as file, celery_worker(stack, file, SEGUE_LOG="json") as worker:
        wait_until(lambda: log.read_text().count(" ready.") == 1)
        worker.send_signal(signal.SIGHUP)
        wait_until(lambda: log.read_text().count(" ready.") == 2)
        assert worker.poll() is None
    records(log.read_text())


def test_every_line_of_a_worker_that_refuses_to_start_is_json(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.config.write_text("destinations: []\n", encoding="utf-8")
    worker = stack.worker(wait=False, SEGUE_LOG="json")
    wait_until(lambda: worker.ended)
    assert worker.stop() == 2
    (error,) = [each for each in records(worker.log.read_text()) if each["level"] == "error"]
    assert "destinations" in error["message"]


def run_served(stack: Stack, noisy: dict[str, str], ready: str, *arguments: str) -> list[dict[str, Any]]:
    """The log of a server of the command line, which makes noise, is asked for something, and is stopped."""
    log = stack.directory / "served.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "segue_worker.cli", *arguments, "--redis-url", stack.server.url, "--port", "0"],
            env={
                **os.environ,
                **noisy,
                "SEGUE_BROKER_URL": stack.broker_url,
                "SEGUE_DASHBOARD_TOKEN": "0123456789abcdef",
            },
            stdout=file,
            stderr=file,
        )
    try:
        wait_until(lambda: ready in log.read_text())
        Path(noisy["NOISE"]).touch()
        wait_until(lambda: "raised in a thread" in log.read_text())
        (address,) = set(re.findall(r"http://[0-9.:]+", log.read_text()))
        for path in ("/healthz", "/no/such/page"):
            httpx.get(f"{address}{path}", trust_env=False)
        batch = {"writeKey": WRITE_KEY, "batch": [{"type": "track", "userId": {"email": "ada@example.com"}}]}
        httpx.post(f"{address}/v1/batch", json=batch, trust_env=False)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    return records(log.read_text())


def test_every_line_of_the_tracking_api_is_json(make_stack: MakeStack, noisy: dict[str, str]) -> None:
    stack = make_stack()
    found = run_served(
        stack, noisy, "The Tracking API answers at", "tracking-api", "--config", str(write_config(stack.directory))
    )
    check_noise(found)
    assert any("Rejected events: 1" in each["message"] for each in found)


def test_every_line_of_the_dashboard_is_json(make_stack: MakeStack, noisy: dict[str, str]) -> None:
    stack = make_stack()
    found = run_served(stack, noisy, "http://", "dashboard", "--config", str(stack.config))
    check_noise(found)


def test_data_stays_data(make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_LOG", "json")
    with start(make_stack(), "metrics") as process:
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr, stdout.startswith("# HELP")) == (0, "", True)
