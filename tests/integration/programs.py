"""Every program of Segue that speaks to Redis, used once."""

import asyncio
import re
from pathlib import Path

import httpx

from segue_producer import AsyncProducer, Producer

from .browser import TOKEN, DashboardProcess
from .commands import segue
from .stack import Stack, wait_until
from .tracking import WRITE_KEY, TrackingApiProcess, write_config


def use_every_program(directory: Path, stack: Stack) -> None:
    """Worker, beat, both producers, the Tracking API, the dashboard and the commands that speak to Redis."""
    worker = stack.worker()
    with Producer(stack.server.url, broker_url=stack.broker_url) as producer:
        producer.identify("u1", {"email": "u1@example.com"})
        message_id = producer.track("u1", "Signed Up")
        producer.track("u1", "Bad", {"email": "no address"})

    async def enqueue() -> None:
        async with AsyncProducer(stack.server.url, broker_url=stack.broker_url) as asynchronous:
            await asynchronous.track("u2", "Signed Up", {"email": "u2@example.com"})

    asyncio.run(enqueue())
    with TrackingApiProcess(write_config(directory), stack.server.url) as api:
        event = {"type": "track", "userId": "u3", "event": "E", "properties": {"email": "u3@example.com"}}
        assert httpx.post(f"{api.url}/v1/track", json=event, auth=(WRITE_KEY, "")).status_code == 200
        assert httpx.get(f"{api.url}/readyz").status_code == 200
    wait_until(lambda: stack.counters.get("delivered") == 4 and stack.counters.get("dead") == 1)
    with (
        DashboardProcess(stack) as board,
        httpx.Client(base_url=board.url, follow_redirects=True, headers={"Origin": board.url}) as visitor,
    ):
        form = re.search(r'name="csrf" value="([^"]+)"', visitor.get("/sign-in").text)
        assert form is not None
        assert visitor.post("/sign-in", data={"csrf": form[1], "token": TOKEN}).status_code == 200
        for page in ("/", "/dead", "/retries", "/mappings", "/healthz", "/metrics"):
            answer = visitor.get(page)
            assert answer.status_code == 200, (page, answer.text[-800:])
    segue(stack, "status", "--json")
    segue(stack, "trace", message_id, "--json")
    segue(stack, "dead", "list", "--json")
    segue(stack, "dead", "replay", "loops", "--all", "--yes", "--json")
    wait_until(lambda: stack.counters.get("dead") == 2)
    segue(stack, "dead", "drop", "loops", "--all", "--yes", "--json")
    segue(stack, "pause", "loops")
    segue(stack, "resume", "loops")
    segue(stack, "doctor", "--json")
    segue(stack, "health", "--json")
    segue(stack, "forget", "u3", "--yes", "--json")
    assert worker.stop() == 0
    assert "NOPERM" not in worker.log.read_text()
