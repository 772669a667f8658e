"""The steps of docs/running.md#restore-redis, on a real server and a real worker."""

import shutil
import time
from pathlib import Path

from segue_sandbox.embedded_redis import EmbeddedRedis

from .commands import segue
from .stack import KEYS, Stack, wait_until


def test_what_waited_is_back_and_what_was_delivered_since_has_no_second_effect(tmp_path: Path) -> None:
    data, logs = tmp_path / "redis", tmp_path / "logs"
    data.mkdir()
    logs.mkdir()
    with EmbeddedRedis(data) as server, Stack(server, logs) as stack:
        track = stack.producer.track
        stack.producer.identify("u1", {"email": "ada@example.com"}, message_id="0")
        track("u1", "First", message_id="1")
        track("u1", "Second", message_id="2")
        before = stack.redis.lastsave()
        # Within the same second a new snapshot could not be told from the last.
        wait_until(lambda: int(time.time()) > before.timestamp() + 1)
        stack.redis.bgsave()
        wait_until(lambda: stack.redis.lastsave() > before)
        shutil.copy(data / "dump.rdb", tmp_path / "backup.rdb")
        worker = stack.worker()
        track("u1", "Third", message_id="3")
        stack.wait_delivered()
        worker.stop()

        server.stop()
        shutil.move(data, tmp_path / "aside")
        data.mkdir()
        shutil.copy(tmp_path / "backup.rdb", data / "dump.rdb")
        # The last option of a name counts.
        server._options = ("--appendonly", "no")
        server.start()
        segue(stack, "pause", "loops", "--reason", "restored from a backup")
        stack.redis.config_set("appendonly", "yes")
        wait_until(lambda: _rewritten(stack))
        server.stop()
        server._options = ()
        server.start()

        assert stack.pending == 3
        assert stack.redis.exists(KEYS.paused)
        track("u1", "Third", message_id="3")
        segue(stack, "resume", "loops")
        stack.worker()
        stack.wait_delivered()
        assert [event["eventName"] for event in stack.sandbox.events()] == ["First", "Second", "Third"]
        answers = [record["status"] for record in stack.sandbox.requests()]
        assert answers == [200, 200, 200, 200, 200, 409, 409, 409]
        assert stack.counters["delivered"] == 4
        assert "dead" not in stack.counters


def _rewritten(stack: Stack) -> bool:
    facts = stack.redis.info("persistence")
    return not facts["aof_rewrite_in_progress"] and facts["aof_last_bgrewrite_status"] == "ok" and facts["aof_enabled"]
