"""A Redis user with no more rights than SECURITY.md names, and keys that show nowhere."""

import re
from pathlib import Path

from segue_producer import Producer
from segue_sandbox.embedded_redis import EmbeddedRedis

from .stack import API_KEY, Stack

ROOT = Path(__file__).parents[2]


def documented_rules() -> list[str]:
    """The ACL rules of SECURITY.md."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    found = re.search(r"`(~segue\S* [^`]*)`", text)
    assert found is not None
    return found[1].split()


def test_a_redis_user_with_the_documented_rights_can_do_everything(tmp_path: Path) -> None:
    rules = documented_rules()
    with EmbeddedRedis() as server, Stack(server, tmp_path) as stack:
        stack.redis.execute_command("ACL", "SETUSER", "segue", "on", ">secret-password", *rules)
        url = server.url.replace("redis://", "redis://segue:secret-password@")
        worker = stack.worker(SEGUE_REDIS_URL=url, SEGUE_BROKER_URL=url)
        with Producer(url) as producer:
            producer.identify("u1", {"email": "u1@example.com"})
            producer.track("u1", "Signed Up")
            producer.track("u1", "Bad", {"email": "no address"})
        stack.wait_delivered()
        assert (stack.counters["delivered"], stack.counters["dead"]) == (2, 1)
        assert worker.stop() == 0
        log = worker.log.read_text(errors="replace")
    for secret in ("secret-password", API_KEY, "u1@example.com", "no address", "NOPERM"):
        assert secret not in log
