"""`make containers`: the image is built, the services start, deliver, scale and stop, as containers of podman.

Needs root, podman and debootstrap; takes some four minutes and 3 GB, which it gives back. Exits 1 where something is not
as it should be, 2 where it cannot be tried.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from ruamel.yaml import YAML
from tenacity import RetryError

from segue_sandbox.client import SandboxClient
from segue_sandbox.embedded_redis import free_port
from tests.containers.engine import ContainersError, Engine
from tests.containers.images import ENTRYPOINTS, SUITE, make_base_images
from tests.integration.compose import COMPOSE_FILE
from tests.integration.stack import wait_until

PROGRAMS: Final = ("podman", "debootstrap", "netavark", "aardvark-dns", "catatonit", "iptables")
WRITE_KEY: Final = "a-write-key-for-tests"
EVENTS: Final = 500
"""Enqueued right before the stop: ten seconds of work."""
WORKERS: Final = 3


def main() -> int:
    """Run the check where that is possible."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/lib/podman", "/usr/libexec/podman"))
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if os.geteuid() or missing:
        what = f"apt-get install {' '.join(missing)}" if missing else "run it as root"
        say(f"make containers needs root and Debian's {', '.join(PROGRAMS)}: {what}")
        return 2
    # Ended or interrupted, it removes what it made all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="segue-containers-", dir="/var/tmp") as directory,
        Engine(Path(directory)) as engine,
    ):
        try:
            check(engine, Path(directory))
        except (ContainersError, RetryError, httpx.HTTPError) as error:
            engine.say_logs()
            say(f"failed: {error}")
            return 1
    return 0


def check(engine: Engine, directory: Path) -> None:
    """Everything, step by step.

    Raises:
        ContainersError: a step failed, or its outcome is not what it should be.
        RetryError: something did not come about in time.
        httpx.HTTPError: a service did not answer.
    """
    services = choose_services()
    services.remove("rabbitmq")
    ports = configure(engine, directory)
    say(f"base images from the packages of Debian {SUITE}: {', '.join(make_base_images(engine, directory))}")
    engine.compose("build", "worker")
    say("image built: segue:local")
    engine.up(["sandbox", *services])
    engine.wait_healthy(["sandbox", *services])
    say(f"{len(services)} services started and healthy: {', '.join(services)}")
    wait_until(lambda: is_scraped(ports["SEGUE_PROMETHEUS_PORT"]))
    say("Prometheus reads the dashboard's metrics")
    with SandboxClient(f"http://127.0.0.1:{ports['SANDBOX_PORT']}") as sandbox:
        enqueue(ports, ["from-the-host"])
        wait_until(lambda: len(sandbox.contacts()) == 1)
        say("one event posted from the host arrived at the sandbox")

        engine.variables["SEGUE_WORKERS"] = str(WORKERS)
        engine.up(["sandbox", *services])
        engine.wait_healthy(["worker"])
        found = [name for name in engine.containers() if name.startswith("worker_")]
        expect(len(found) == WORKERS, f"there are {found}, not {WORKERS} workers")
        say(f"worker scaled to {WORKERS}, all healthy")

        enqueue(ports, [f"last-{number}" for number in range(EVENTS)])
        stop(engine, services)
        arrived = len(sandbox.contacts()) - 1
        expect(arrived < EVENTS, "all events had arrived before the stop, which so shows nothing")
        say(f"{arrived} of {EVENTS} further events had arrived by then")
        engine.compose("start", *services)
        wait_until(lambda: len(sandbox.contacts()) == 1 + EVENTS, within_s=180)
        wait_until(lambda: status(engine)["delivered"] == 1 + EVENTS)
        expect(status(engine)["dead"] == status(engine)["pending"] == 0, f"something is left: {status(engine)}")
        say("started again, all of them arrived: nothing was lost")
        use_rabbitmq(engine, services)
        enqueue(ports, ["by-rabbitmq"])
        wait_until(lambda: len(sandbox.contacts()) == 2 + EVENTS)
    say("one more event arrived with RabbitMQ as the broker")


def use_rabbitmq(engine: Engine, services: list[str]) -> None:
    """Start RabbitMQ, let everything use it as the broker, and see that all workers do."""
    engine.variables["SEGUE_BROKER_URL"] = "amqp://segue:segue@rabbitmq//"
    engine.up(["rabbitmq", "sandbox", *services])
    engine.wait_healthy(["rabbitmq", *services])
    queues = engine.compose("exec", "-T", "rabbitmq", "rabbitmqctl", "--quiet", "list_queues", "name", "consumers")
    consumers = dict(line.split() for line in queues.splitlines())
    expect(consumers.get("segue") == str(WORKERS), f"the queues of RabbitMQ and their consumers: {consumers}")
    say(f"RabbitMQ started; {WORKERS} workers read its queue")


def choose_services() -> list[str]:
    """The services of docker-compose.yml that an image can be made for here; says which are left out."""
    every = YAML(typ="safe").load(COMPOSE_FILE)["services"]
    chosen = [name for name, service in every.items() if "build" in service or name in ENTRYPOINTS]
    for name in every.keys() - set(chosen):
        say(f"left out: {name}, which Debian has no package of")
    return chosen


def configure(engine: Engine, directory: Path) -> dict[str, int]:
    """Write a segue.yaml that delivers to the sandbox, and what `.env` would hold. Returns the ports on this machine."""
    names = ("TRACKING_API", "DASHBOARD", "FLOWER", "PROMETHEUS")
    ports = {"SANDBOX_PORT": free_port()} | {f"SEGUE_{name}_PORT": free_port() for name in names}
    config = directory / "segue.yaml"
    destination = {"name": "loops", "api_key": "${LOOPS_API_KEY}", "base_url": "http://sandbox:8700/api/v1"}
    source = {"write_key": "${SEGUE_WRITE_KEY}", "destinations": ["loops"]}
    YAML(typ="safe").dump({"destinations": [{**destination, "rate_limit": 50}], "sources": [source]}, config)
    # Its folder is closed to others, but the containers' user reads the file itself.
    config.chmod(0o644)
    engine.variables.update(
        SEGUE_CONFIG_FILE=str(config),
        LOOPS_API_KEY="sandbox-containers",
        SEGUE_WRITE_KEY=WRITE_KEY,
        FLOWER_BASIC_AUTH="viewer:a-test-password",
        SEGUE_DASHBOARD_TOKEN="a-token-for-tests-only",  # noqa: S106 - opens nothing else
        **{name: str(port) for name, port in ports.items()},
    )
    return ports


def enqueue(ports: dict[str, int], users: Iterable[str]) -> None:
    """Post an identify event of each user to the Tracking API, from outside of the containers."""
    batch = [{"type": "identify", "userId": user, "traits": {"email": f"{user}@example.com"}} for user in users]
    url = f"http://127.0.0.1:{ports['SEGUE_TRACKING_API_PORT']}/v1/batch"
    httpx.post(url, json={"batch": batch}, auth=(WRITE_KEY, ""), trust_env=False, timeout=30).raise_for_status()


def stop(engine: Engine, services: list[str]) -> None:
    """Stop the services, and see that each ended by itself: an exit code of 137 is a SIGKILL, after the grace period."""
    began = time.monotonic()
    engine.compose("stop", *services)
    took = time.monotonic() - began
    states = {name: each["State"] for name, each in engine.containers().items() if not name.startswith("sandbox")}
    wrong = {name: state["ExitCode"] for name, state in states.items() if state["Running"] or state["ExitCode"]}
    expect(not wrong, f"exit codes after the stop: {wrong}")
    say(f"{len(states)} containers stopped within {took:.1f} s, each with exit code 0")


def status(engine: Engine) -> dict[str, Any]:
    """What `segue status` says in a worker's container."""
    answer = engine.compose("exec", "-T", "worker", "segue", "status", "--json")
    found: dict[str, Any] = orjson.loads(answer)["destinations"]["loops"]
    return found


def is_scraped(port: int) -> bool:
    """Whether Prometheus got an answer from Segue's dashboard."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": 'up{job="segue"}'}, trust_env=False)
    return [each["value"][1] for each in answer.raise_for_status().json()["data"]["result"]] == ["1"]


def expect(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion that python -O keeps
    """Raise ContainersError with this text unless the condition holds."""
    if not condition:
        raise ContainersError(otherwise)


def say(line: str) -> None:
    """One line for who watches."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
