"""Killed workers, an absent Redis, shutdown, and a faulty configuration."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from segue_producer import OutboxUnavailable, Producer
from segue_producer.clients import async_redis_client
from segue_producer.keys import ABOUT_WORKERS, Keys, team_rate_key
from segue_sandbox.embedded_redis import EmbeddedRedis, free_port
from segue_worker.config import load_config
from segue_worker.observing.health import missing_sweep, unhealthy
from segue_worker.operating.pause import pause, resume
from segue_worker.outbox import Outbox
from segue_worker.outbox.pause import Pause

from .stack import MakeStack, Stack, celery_worker, wait_until

KEYS = Keys("loops")
RESUMES_WITHIN_S = 15


def sign_ups(stack: Stack, contacts: int) -> None:
    events: Iterator[Any] = (
        event
        for number in range(contacts)
        for event in (
            {"type": "identify", "userId": f"u{number}", "traits": {"email": f"u{number}@example.com"}},
            {"type": "track", "userId": f"u{number}", "event": "Signed Up", "properties": {"n": number}},
        )
    )
    stack.producer.enqueue(events)


def assert_each_signed_up_once_after_its_update(stack: Stack, contacts: int) -> None:
    applied = [record for record in stack.sandbox.requests() if record["applied"]]
    assert Counter(event["userId"] for event in stack.sandbox.events()) == {f"u{n}": 1 for n in range(contacts)}
    seen_event: set[str] = set()
    for record in applied:
        user = record["body"]["userId"]
        assert record["path"] == "/events/send" or user not in seen_event, "an update never follows the event"
        if record["path"] == "/events/send":
            seen_event.add(user)
    assert stack.counters["delivered"] == 2 * contacts


@pytest.mark.parametrize("victim", ["its children, beat too", "all of it"])
def test_a_worker_killed_in_mid_run_loses_and_doubles_nothing(make_stack: MakeStack, victim: str) -> None:
    stack = make_stack(rate_limit=100)
    sign_ups(stack, 150)
    worker = stack.worker()
    wait_until(lambda: len(stack.sandbox.requests()) >= 50)
    if victim == "all of it":
        worker.kill()
        stack.worker(beat=False)
    else:
        for child in worker.children:
            os.kill(child, signal.SIGKILL)
    killed_at = len(stack.sandbox.requests())
    wait_until(lambda: len(stack.sandbox.requests()) > killed_at + 5, within_s=RESUMES_WITHIN_S)
    stack.wait_delivered()
    assert_each_signed_up_once_after_its_update(stack, 150)


def test_a_worker_that_is_stopped_hands_its_work_to_the_next_at_once(make_stack: MakeStack) -> None:
    stack = make_stack(rate_limit=50)
    sign_ups(stack, 200)
    first = stack.worker()
    second = stack.worker(beat=False)
    wait_until(lambda: len(stack.sandbox.requests()) >= 30)
    assert first.stop() == 0
    assert stack.pending > 0
    stack.wait_delivered()
    assert second.stop() == 0
    assert_each_signed_up_once_after_its_update(stack, 200)
    assert stack.redis.exists(KEYS.run, KEYS.lease, KEYS.due) == 0, "nothing was left to lapse"


def test_a_worker_that_is_frozen_in_its_run_is_replaced_and_nothing_is_sent_twice(make_stack: MakeStack) -> None:
    """Each of two workers is frozen in turn, so that whichever has the run is."""
    stack = make_stack(rate_limit=50)
    sign_ups(stack, 300)
    workers = [stack.worker(), stack.worker(beat=False)]
    wait_until(lambda: len(stack.sandbox.requests()) >= 30)
    for worker in workers:
        os.killpg(worker.pid, signal.SIGSTOP)
        try:
            enough = len(stack.sandbox.requests()) + 60
            wait_until(partial(_has_received, stack, enough), within_s=20)
        finally:
            os.killpg(worker.pid, signal.SIGCONT)
    stack.wait_delivered()
    assert_each_signed_up_once_after_its_update(stack, 300)


def _has_received(stack: Stack, requests: int) -> bool:
    return len(stack.sandbox.requests()) > requests


def test_health_says_that_nothing_moves_and_why(make_stack: MakeStack) -> None:
    stack = make_stack(rate_limit=50)
    worker = stack.worker()
    sign_ups(stack, 1)
    stack.wait_delivered()
    assert _health(stack).returncode == 0
    os.killpg(worker.pid, signal.SIGSTOP)
    try:
        stack.producer.track("u0", "Waits")
        wait_until(lambda: _health(stack).returncode == 1, within_s=60)
        said = _health(stack).stderr
        assert "worker" in said
        assert "Traceback" not in said
    finally:
        os.killpg(worker.pid, signal.SIGCONT)
    stack.wait_delivered()
    wait_until(lambda: _health(stack).returncode == 0)


def _health(stack: Stack) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "SEGUE_REDIS_URL": stack.server.url, "SEGUE_CONFIG": str(stack.config)}
    command = [sys.executable, "-m", "segue_worker.cli", "health", "--max-age", "5s"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("retry_after", [999_999_999, "Fri, 31 Dec 2099 23:59:59 GMT"])
def test_a_hold_of_years_ends_no_worker_late_and_lets_none_send(make_stack: MakeStack, retry_after: int | str) -> None:
    stack = make_stack(rate_limit=50)
    stack.sandbox.add_fault(status=429, retry_after=retry_after, count=1)
    first = stack.worker()
    sign_ups(stack, 20)
    wait_until(lambda: "429" in stack.sandbox.summary()["by_status"])
    began = time.monotonic()
    assert first.stop() == 0
    # The bound is what an orchestrator is promised; stopping a worker takes a second or two.
    assert time.monotonic() - began < 20
    received = len(stack.sandbox.requests())
    second = stack.worker()
    # It asks for a slot, and asks again: by then it would have sent the first of what is due.
    (limiter,) = stack.redis.scan_iter(f"{team_rate_key('')}*")
    for _ in range(3):
        asked = stack.redis.get(limiter)
        wait_until(lambda asked=asked: stack.redis.get(limiter) != asked)  # type: ignore[misc]
    assert len(stack.sandbox.requests()) == received, "a new worker keeps the hold"
    assert second.stop() == 0
    assert stack.pending == 40 - stack.counters.get("delivered", 0)


def test_enqueueing_without_redis_raises_in_time_and_says_what_to_do() -> None:
    port = free_port()
    with Producer(f"redis://:secret@127.0.0.1:{port}/0") as producer, pytest.raises(OutboxUnavailable) as caught:
        producer.track("u1", "E", message_id="m1")
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "SEGUE_REDIS_URL" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.uncertain == ("m1",)


def test_a_stopped_redis_makes_enqueue_raise_within_its_timeout(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server, Producer(server.url, timeout=0.5) as producer:
        producer.track("u1", "E")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(OutboxUnavailable):
                producer.track("u1", "E")
            # The bound is the producer's promise; twice the timeout allows for a machine that is busy.
            assert time.monotonic() - began < 1.0
            # From then on nobody waits: those that come meanwhile are told since when Redis is away, and nothing was sent.
            with pytest.raises(OutboxUnavailable, match="away since") as caught:
                producer.track("u1", "E")
            assert caught.value.since is not None
            assert caught.value.uncertain == ()
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_workers_survive_a_redis_restart_and_go_on_by_themselves(tmp_path: Path) -> None:
    with EmbeddedRedis() as server, Stack(server, tmp_path, rate_limit=50) as stack:
        sign_ups(stack, 100)
        stack.worker()
        wait_until(lambda: len(stack.sandbox.requests()) >= 20)
        server.stop()
        with pytest.raises(OutboxUnavailable):
            stack.producer.track("u1", "E")
        before = len(stack.sandbox.requests())
        server.start()
        wait_until(lambda: len(stack.sandbox.requests()) > before, within_s=RESUMES_WITHIN_S)
        stack.wait_delivered()
        assert_each_signed_up_once_after_its_update(stack, 100)


def test_a_worker_that_starts_anew_on_sighup_leaves_the_backlog_to_the_new_program(tmp_path: Path) -> None:
    """Without a broker it does one run after the other itself: it must not end the backlog first."""
    log = tmp_path / "anew.log"
    with (
        EmbeddedRedis() as server,
        EmbeddedRedis() as broker,
        Stack(server, tmp_path, rate_limit=10, broker_url=broker.url) as stack,
        log.open("wb") as file,
        celery_worker(stack, file) as worker,
    ):
        wait_until(lambda: " ready." in log.read_text())
        sign_ups(stack, 500)
        broker.stop()
        wait_until(lambda: "Connection to broker lost" in log.read_text())
        about = stack.redis.hvals(ABOUT_WORKERS)
        worker.send_signal(signal.SIGHUP)
        wait_until(lambda: stack.redis.hvals(ABOUT_WORKERS) not in (about, []), within_s=40)
        assert stack.pending > 500, "most of it still waits"
        assert worker.poll() is None


def test_a_faulty_configuration_stops_the_worker_with_every_problem_and_no_traceback(tmp_path: Path) -> None:
    config = tmp_path / "segue.yaml"
    config.write_text("destinations:\n  - name: loops\n    api_key: ${NO_SUCH_VARIABLE}\n    colour: red\n")
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "segue_worker", "worker"],
        env={**os.environ, "SEGUE_CONFIG": str(config)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "segue.yaml:3" in ended.stderr
    assert "segue.yaml:4" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_a_pool_in_which_nothing_would_be_delivered_is_refused(make_stack: MakeStack) -> None:
    stack = make_stack()
    log = stack.directory / "pool.log"
    with log.open("wb") as file, celery_worker(stack, file, "--pool", "gevent") as worker:
        assert worker.wait(60) == 2
    assert "the pool gevent: leave out --pool" in log.read_text()


def test_events_come_through_celery_alone_and_malformed_ones_become_dead_letters(make_stack: MakeStack) -> None:
    from celery import Celery  # noqa: PLC0415 - as a service without segue_producer would

    stack = make_stack()
    worker = stack.worker()
    good = {"type": "track", "userId": "u1", "event": "Signed Up", "context": {"traits": {"email": "u1@example.com"}}}
    with Celery("service", broker=stack.server.url) as service:
        service.send_task(
            "segue.enqueue", args=[[good, {"type": "page"}], ["loops"]], queue="segue", ignore_result=True
        )
    wait_until(lambda: len(stack.sandbox.events()) == 1)
    wait_until(lambda: stack.redis.hlen(KEYS.dead) == 1)
    assert "u1@example.com" not in worker.log.read_text()


def test_destinations_that_hang_delay_no_other(make_stack: MakeStack) -> None:
    """More of them than this machine has processors, and one worker for all."""
    stack = make_stack(rate_limit=50)
    stack.sandbox.add_fault(kind="delay", delay_ms=6000, event="Hanging")
    names = [f"hangs{number}" for number in range(6)]
    stack.add_destinations(names)
    stack.worker()
    with Producer(stack.server.url, names) as hanging:
        hanging.track("u1", "Hanging", context={"traits": {"email": "u1@example.com"}})
    wait_until(lambda: len(stack.sandbox.requests()) == len(names))
    stack.producer.track("u2", "Good", context={"traits": {"email": "u2@example.com"}})
    wait_until(lambda: any(event["eventName"] == "Good" for event in stack.sandbox.events()))
    answered = [record["ended_at"] for record in stack.sandbox.requests() if record["body"]["eventName"] == "Hanging"]
    assert answered == [None] * len(names), "the good one was delivered while all the others still hung"


@pytest.mark.parametrize("trouble", ["out of memory", "read-only replica"])
def test_workers_ride_out_a_redis_that_takes_no_writes(tmp_path: Path, trouble: str) -> None:
    with EmbeddedRedis() as server, Stack(server, tmp_path, rate_limit=50) as stack:
        worker = stack.worker()
        sign_ups(stack, 1)
        stack.wait_delivered()
        _set_trouble(stack, trouble, on=True)
        with pytest.raises(OutboxUnavailable, match="memory" if trouble == "out of memory" else "read-only"):
            stack.producer.track("u1", "E")
        wait_until(lambda: "Message Error" in worker.log.read_text(errors="replace"))
        _set_trouble(stack, trouble, on=False)
        sign_ups_after = stack.counters["delivered"]
        stack.producer.track("u0", "After", message_id="after")
        wait_until(lambda: stack.counters["delivered"] > sign_ups_after, within_s=RESUMES_WITHIN_S)


def test_workers_that_start_on_a_full_redis_empty_it_and_are_seen_to_live(tmp_path: Path) -> None:
    """The broker is the same Redis, and takes no hints then."""
    with EmbeddedRedis() as server, Stack(server, tmp_path, rate_limit=50) as stack:
        sign_ups(stack, 20)
        _set_trouble(stack, "out of memory", on=True)
        try:
            # Celery has nothing to take messages from as yet, and is not ready.
            stack.worker(wait=False)
            stack.wait_delivered()
            assert unhealthy(stack.redis, load_config(stack.config), max_age_ms=60_000) == []
            assert missing_sweep(stack.redis, max_age_ms=60_000) == []
        finally:
            _set_trouble(stack, "out of memory", on=False)
        assert len(stack.sandbox.events()) == 20


def _set_trouble(stack: Stack, trouble: str, *, on: bool) -> None:
    if trouble == "out of memory":
        stack.redis.config_set("maxmemory", "1" if on else "0")
    else:
        stack.redis.replicaof(*(("127.0.0.1", "9") if on else ("NO", "ONE")))


def test_a_destination_is_paused_and_resumed_though_redis_is_full() -> None:
    # What the pause holds back may be what fills it.
    with EmbeddedRedis() as server, Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(OutOfMemoryError):
                client.set("anything", "1")
            pause(client, "loops", "by hand", for_ms=60_000)
            assert 0 < client.pttl(KEYS.paused) <= 60_000
            assert resume(client, "loops")
        finally:
            client.config_set("maxmemory", "0")
        assert not client.exists(KEYS.paused)
        assert client.ttl(KEYS.resumed) > 0


async def test_segue_pauses_and_probes_though_redis_is_full() -> None:
    with EmbeddedRedis() as server:
        async with async_redis_client(server.url, timeout=5) as client:
            await client.config_set("maxmemory", "1")
            try:
                outbox = Outbox(client, "loops", owner="run", window_ms=1000, lease_ms=1000)
                down, probed = Pause("down", 1, 2), Pause("down", 1, 3)
                assert await outbox.pause(down)
                assert await outbox.replace_pause(down, probed)
                assert await client.get(KEYS.paused) == probed.to_json()
                await outbox.note_refused("digest", first=True)
                assert await outbox.is_refused("digest")
            finally:
                await client.config_set("maxmemory", "0")
