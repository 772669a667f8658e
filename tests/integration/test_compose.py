"""docker-compose.yml and Dockerfile: what they promise, and that their services deliver."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from redis import Redis
from ruamel.yaml import YAML

from segue_producer import Producer
from segue_producer.settings import ENQUEUE, QUEUE
from segue_sandbox.embedded_redis import find_server, free_port
from segue_sandbox.spawn import SandboxProcess
from segue_tracking_api import Limits
from segue_worker.celery import SHUTDOWN_S
from segue_worker.config import load_config
from segue_worker.delivery.run import RUN_S
from tests import needs

from .compose import BIN, COMPOSE_FILE, ROOT, ComposeError, Service, ServiceProcess, grace_s, resolve
from .stack import API_KEY, KEYS, wait_until
from .tracking import WRITE_KEY

USER, PASSWORD = "viewer", "a-test-password"
PROFILES = {"tracking-api", "monitoring", "rabbitmq"}
REQUIRED = {"FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}", "SEGUE_DASHBOARD_TOKEN": "a-token-for-tests-only"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
WORKERS = 3
LAST = 200
"""Events enqueued right before the end: some seconds of work."""
REDIS_CLI = """\
#!{python}
import sys, redis
connection = redis.Connection(port={port}, decode_responses=True)
connection.send_command(*sys.argv[1:])
print(connection.read_response())
"""
EMAIL, OTHER_EMAIL = "ada@example.com", "grace@example.com"


@pytest.fixture
def services(tmp_path: Path) -> dict[str, Service]:
    variables = {**REQUIRED, "COMPOSE_PROFILES": ",".join(PROFILES)}
    found: dict[str, Service] = resolve(variables, tmp_path)["services"]
    assert {
        "redis",
        "worker",
        "beat",
        "tracking-api",
        "dashboard",
        "flower",
        "prometheus",
        "grafana",
        "rabbitmq",
    } == set(found)
    return found


def test_parts_that_need_more_start_when_asked_for(services: dict[str, Service], tmp_path: Path) -> None:
    asked = {name: set(service.get("profiles", ())) for name, service in services.items()}
    assert asked["tracking-api"] == {"tracking-api"}
    assert set().union(*asked.values()) == PROFILES
    default = resolve(REQUIRED, tmp_path)["services"]
    assert set(default) == {name for name, profiles in asked.items() if not profiles}


def test_every_service_is_watched_restarted_and_confined(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
        assert service["restart"] == "unless-stopped", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert "build" in service or service["user"] not in {"root", "0"}, name


def test_any_number_of_workers_can_run(services: dict[str, Service]) -> None:
    for name in ("worker", "beat"):
        assert not {"container_name", "hostname", "ports", "network_mode"} & set(services[name])
    command = services["worker"]["command"]
    assert ("--hostname", "worker@%h") in pairwise(command)
    assert not {"-B", "--beat", "--concurrency"} & set(command)
    assert services["worker"]["scale"] == "1"


def test_the_number_of_workers_and_a_redis_of_ones_own_are_remembered(tmp_path: Path) -> None:
    variables = {"SEGUE_WORKERS": "3", "SEGUE_BUNDLED_REDIS": "0", "SEGUE_REDIS_URL": "redis://mine:6379/5"}
    services = resolve({**REQUIRED, **variables}, tmp_path)["services"]
    assert (services["worker"]["scale"], services["redis"]["scale"]) == ("3", "0")
    for name in ("worker", "beat", "dashboard", "flower"):
        assert services[name]["environment"]["SEGUE_REDIS_URL"] == "redis://mine:6379/5"


def test_no_variable_of_the_host_is_taken_for_one_of_the_container() -> None:
    # podman-compose looks a variable up in the service's own `environment` too.
    for name, service in YAML(typ="safe").load(COMPOSE_FILE)["services"].items():
        environment = service.pop("environment", {})
        used = set(re.findall(r"\$\{(\w+)", json.dumps(service)))
        assert not used & set(environment), name
        for inside, value in environment.items():
            assert set(re.findall(r"\$\{(\w+)", str(value))) <= {inside}, name


def test_a_worker_may_finish_its_run(services: dict[str, Service], tmp_path: Path) -> None:
    (tmp_path / "segue.yaml").write_text("destinations: [{name: loops, api_key: sandbox-key}]", encoding="utf-8")
    (destination,) = load_config(tmp_path / "segue.yaml").destinations
    assert grace_s(services["worker"]) > SHUTDOWN_S + RUN_S + destination.timeout.total_seconds()


def test_nothing_is_open_to_the_world(services: dict[str, Service], tmp_path: Path) -> None:
    for name, service in services.items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:"), name
    for missing in REQUIRED:
        others = {name: value for name, value in REQUIRED.items() if name != missing}
        with pytest.raises(ComposeError, match=missing):
            resolve(others, tmp_path)


def test_redis_keeps_what_it_took(services: dict[str, Service]) -> None:
    options = set(pairwise(services["redis"]["command"]))
    assert {("--appendonly", "yes"), ("--appendfsync", "everysec"), ("--maxmemory-policy", "noeviction")} <= options
    assert ("--protected-mode", "no") in options, "without its image's entrypoint it would answer to nobody else"
    assert services["redis"]["volumes"] == ["redis-data:/data"]
    assert "ports" not in services["redis"], "it has no password"


def test_the_configuration_is_mounted_read_only(tmp_path: Path) -> None:
    variables = {**REQUIRED, "COMPOSE_PROFILES": "tracking-api", "SEGUE_CONFIG_FILE": "/srv/segue.yaml"}
    services = resolve(variables, tmp_path)["services"]
    for name in ("worker", "tracking-api", "dashboard"):
        (mount,) = services[name]["volumes"]
        assert mount["read_only"] is True
        assert mount["source"] == "/srv/segue.yaml"
        assert mount["target"] == services[name]["environment"]["SEGUE_CONFIG"]
        assert services[name]["secrets"] == ["loops_api_key"]
    knows = {name for name, service in services.items() if "SEGUE_WRITE_KEY" in service.get("environment", {})}
    assert knows == {"tracking-api"}


def test_the_tracking_api_may_finish_its_requests(services: dict[str, Service]) -> None:
    assert grace_s(services["tracking-api"]) > Limits().shutdown_s


def test_no_secret_stands_in_the_file() -> None:
    document = YAML(typ="safe").load(COMPOSE_FILE)
    for service in document["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("KEY|AUTH|PASSWORD|SECRET|TOKEN", name):
                assert value is None or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
    for secret in document["secrets"].values():
        assert set(secret) == {"file"}


def test_every_variable_is_explained_and_has_a_default_or_a_reason() -> None:
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    used = re.findall(r"\$\{(\w+)(:[-?][^}]*)?\}", text)
    assert all(rest for _, rest in used)
    handed_through = re.findall(r"^ +([A-Z_]+):$", text, re.MULTILINE)
    explained = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted({name for name, _ in used} | set(handed_through) | {"COMPOSE_PROFILES"}) == sorted(explained)


def test_the_image_runs_without_root_and_without_tools() -> None:
    lines = [line for line in DOCKERFILE.replace("\\\n", "").splitlines() if line[:1].isalpha()]
    steps = [(kind, rest) for kind, _, rest in (line.partition(" ") for line in lines)]
    final = steps[max(number for number, (kind, _) in enumerate(steps) if kind == "FROM") :]
    settings = dict(final)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", settings["USER"])
    assert settings["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(settings["CMD"])[:3] == ["celery", "-A", "segue_worker"]
    assert not any(re.search(r"\b(pip|apt-get|gcc)\b", rest) for kind, rest in final if kind == "RUN")
    assert not any(re.search("KEY|SECRET|TOKEN|PASSWORD", rest) for kind, rest in steps if kind in {"ARG", "ENV"})


def test_the_image_is_made_of_what_its_context_holds_and_of_the_dependencies_first() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match("COPY (?!--)", line)]
    assert "*" in ignored
    assert {name for names in copied for name in names} == allowed
    assert copied[0] == ["pyproject.toml", "constraints.txt"]


@needs.docker_compose
def test_compose_itself_takes_the_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("FLOWER_BASIC_AUTH=a:b\n", encoding="utf-8")
    command = [
        "docker",
        "compose",
        "--env-file",
        str(tmp_path / "env"),
        "--file",
        str(COMPOSE_FILE),
        "config",
        "--quiet",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


class Deployment:
    """All services of the file as processes, three workers among them, against a sandbox."""

    def __init__(self, directory: Path, exits: ExitStack) -> None:
        self.sandbox = exits.enter_context(SandboxProcess(rate_limit=50))
        self._directory = directory
        self._exits = exits
        config = directory / "segue.yaml"
        destination = {"name": "loops", "api_key": "${LOOPS_API_KEY}", "base_url": self.sandbox.base_url}
        source = {"write_key": "${SEGUE_WRITE_KEY}", "destinations": ["loops"]}
        YAML(typ="safe").dump({"destinations": [{**destination, "rate_limit": 50}], "sources": [source]}, config)
        port = free_port()
        self.redis_url = f"redis://127.0.0.1:{port}/0"
        self._variables = {
            **REQUIRED,
            "LOOPS_API_KEY": API_KEY,
            "SEGUE_WRITE_KEY": WRITE_KEY,
            "SEGUE_CONFIG_FILE": str(config),
            "SEGUE_REDIS_URL": self.redis_url,
            "COMPOSE_PROFILES": "tracking-api",
        }
        self._services: dict[str, Service] = resolve(self._variables, directory)["services"]
        self._path = _programs(directory, port)
        self.redis = self._start("redis", arguments=("--port", str(port), "--bind", "127.0.0.1"))
        self.redis.wait_healthy()
        self.workers = [self._start("worker", f"worker-{number}") for number in range(1, WORKERS + 1)]
        self.beat = self._start("beat")
        tracking_port = str(free_port())
        self.tracking = self._start("tracking-api", changes={"TRACKING_API_PORT": tracking_port})
        self.tracking_url = f"http://127.0.0.1:{tracking_port}"
        # It has no variable for its port, which a container has to itself.
        dashboard_port = str(free_port())
        changes, arguments = {"DASHBOARD_PORT": dashboard_port}, ("--port", dashboard_port)
        self.dashboard = self._start("dashboard", changes=changes, arguments=arguments)
        flower_port = str(free_port())
        self.flower = self._start("flower", changes={"FLOWER_PORT": flower_port})
        self.flower_url = f"http://127.0.0.1:{flower_port}"
        self.all = (self.flower, self.dashboard, self.tracking, self.beat, *self.workers, self.redis)

    def _start(self, service: str, name: str | None = None, **options: Any) -> ServiceProcess:
        directory = self._directory / (name or service)
        directory.mkdir()
        process = ServiceProcess(
            name or service,
            self._services[service],
            variables=self._variables,
            path=self._path,
            directory=directory,
            **options,
        )
        return self._exits.enter_context(process)


def _programs(directory: Path, redis_port: int) -> str:
    """PATH with the programs of the two images; redis-cli asks the port that stands for the container's 6379."""
    programs = directory / "bin"
    programs.mkdir()
    (programs / "redis-server").symlink_to(find_server())
    # No wheel has redis-cli; as the health check uses it, it prints the answer to a command.
    (programs / "redis-cli").write_text(REDIS_CLI.format(python=sys.executable, port=redis_port), encoding="utf-8")
    (programs / "redis-cli").chmod(0o755)
    return f"{programs}:{BIN}:/usr/bin:/bin"


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with ExitStack() as exits:
        yield Deployment(tmp_path, exits)


def test_the_services_deliver_are_healthy_and_stop_in_order(deployment: Deployment) -> None:
    for process in deployment.all:
        process.wait_healthy()
    with Producer(deployment.redis_url) as producer:
        producer.identify("u1", {"email": EMAIL})
        event = {"userId": "u1", "event": "Signed Up", "properties": {"plan": "Pro"}}
        track = httpx.post(f"{deployment.tracking_url}/v1/track", json=event, auth=(WRITE_KEY, ""), trust_env=False)
        assert (track.status_code, track.json()) == (200, {"success": True})
        wait_until(lambda: len(deployment.sandbox.events()) == 1)
        assert [record["path"] for record in deployment.sandbox.requests()] == ["/contacts/update", "/events/send"]

        _see_no_personal_data_in_flower(deployment)

        for number in range(LAST):
            producer.identify(f"last{number}", {"email": f"last{number}@example.com"})
    exit_codes = {process.name: process.stop() for process in deployment.all[:-1]}
    assert set(exit_codes.values()) == {0}, exit_codes
    done = deployment.workers[0].check_health()
    assert (done.returncode, "no worker is alive" in done.stderr) == (1, True), "each said goodbye"
    with Redis.from_url(deployment.redis_url) as redis:
        delivered, pending = redis.hget(KEYS.totals, "delivered"), redis.get(KEYS.pending)
        assert int(delivered or 0) + int(pending or 0) == 3 + LAST
    assert deployment.redis.stop() == 0
    for process in (deployment.workers[0], deployment.beat):
        done = process.check_health()
        assert (done.returncode, "does not answer" in done.stderr) == (1, True)


def _see_no_personal_data_in_flower(deployment: Deployment) -> None:
    with httpx.Client(base_url=deployment.flower_url, trust_env=False) as stranger:
        assert stranger.get("/api/workers").status_code == 401
        assert stranger.get("/tasks").status_code == 401
    with httpx.Client(base_url=deployment.flower_url, auth=(USER, PASSWORD), trust_env=False) as viewer:
        names = {f"worker@worker-{number}" for number in range(1, WORKERS + 1)}
        wait_until(lambda: set(viewer.get("/api/workers", params={"refresh": True}).json()) == names)
        event = {"type": "identify", "userId": "u2", "traits": {"email": OTHER_EMAIL}}
        with Celery(broker=deployment.redis_url, set_as_current=False) as client:
            # Flower turns events on every few seconds; here each worker answers that they are.
            answers = client.control.enable_events(reply=True, limit=WORKERS, timeout=30)
            assert len(answers or ()) == WORKERS
            client.send_task(ENQUEUE, args=[[event], ["loops"]], queue=QUEUE)
        wait_until(lambda: any(task["name"] == ENQUEUE for task in viewer.get("/api/tasks").json().values()))
        wait_until(lambda: len(deployment.sandbox.contacts()) == 2)
        shown = viewer.get("/api/tasks").text
        assert OTHER_EMAIL not in shown
        assert "(not shown)" in shown
        assert viewer.post("/api/worker/shutdown/worker@worker-1").status_code == 403
