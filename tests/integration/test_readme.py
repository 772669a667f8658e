"""What README.md shows works as written."""

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import click
import pytest
from docs.reference import configuration
from redis import Redis
from ruamel.yaml import YAML

from segue_producer.settings import QUEUE
from segue_sandbox.client import SandboxClient
from segue_worker.cli import segue
from segue_worker.config import load_config
from segue_worker.observing.status import read_statuses
from tests import needs

from .readme import LONGEST_S, README, ROOT, FirstHour, blocks, first_hour
from .stack import KEYS, wait_until

MOST_DELIVER_S: Final = 60
EXAMPLES: Final = sorted((ROOT / "examples").glob("*.py"))
WITHOUT_A_FRAMEWORK: Final = ("plain_script.py", "celery_client.py")


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstHour]:
    """Every block of README has been pasted, and then the examples that need no framework have been run."""
    with first_hour(tmp_path_factory.mktemp("readme") / "segue") as lived:
        if lived.code == 0:
            python = lived.directory / ".venv" / "bin" / "python"
            variables = {**lived.variables, "SEGUE_BROKER_URL": lived.variables["SEGUE_REDIS_URL"]}
            for name in WITHOUT_A_FRAMEWORK:
                subprocess.run([python, ROOT / "examples" / name], env=variables, timeout=60, check=True)
        yield lived


@needs.curl
@pytest.mark.timeout(LONGEST_S + 120)
def test_every_block_does_what_it_says(hour: FirstHour) -> None:
    assert hour.code == 0, hour.said
    assert "Traceback" not in hour.said
    for said in (
        "loops: Loops accepts the API key; team: trial",
        "200 in ",
        "workers: 1 alive",
        "delivered",
        '"email":"ada@example.com"',
        "healthy",
    ):
        assert said in hour.said, hour.said


@needs.curl
@pytest.mark.timeout(LONGEST_S + 120)
def test_everything_it_enqueues_is_delivered(hour: FirstHour) -> None:
    with (
        Redis.from_url(hour.variables["SEGUE_REDIS_URL"]) as redis,
        SandboxClient(hour.sandbox) as sandbox,
    ):
        wait_until(lambda: _settled(redis), within_s=MOST_DELIVER_S)
        status = read_statuses(redis, ["loops"])["loops"]
        enqueued = int(redis.hget(KEYS.measures, "enqueued") or 0)
        requests = [record for record in sandbox.requests() if record["method"] != "GET"]
        contacts = {contact["userId"]: contact["email"] for contact in sandbox.contacts()}
        events = [(event["eventName"], event["userId"]) for event in sandbox.events()]
    assert (status.dead, status.parked, status.paused) == (0, 0, None)
    assert status.counters.get("dead", 0) == 0
    assert status.counters["delivered"] == enqueued
    # A request that a busy machine holds up on its way may meet the next ones there: 429, and it is sent again.
    assert {record["status"] for record in requests} <= {200, 429}
    assert contacts["u1"] == "ada@example.com"
    assert contacts["user-19"] == "user-19@example.com"
    assert Counter(events) == {
        ("User Registered", "u1"): 1,
        ("Plan Upgraded", "u1"): 1,
        ("Order Completed", "u1"): 2,
        ("Order Completed", "u3"): 1,
        ("Signed In", "u1"): 1,
    }


def _settled(redis: Redis) -> bool:
    """Whether no task waits for a worker, and no event in an outbox."""
    waiting = redis.llen(QUEUE) or redis.hlen("unacked") or int(redis.get(KEYS.pending) or 0)
    return not waiting


def test_blocks_for_docker_name_what_the_compose_file_has() -> None:
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", ())}
    lines = [shlex.split(line) for _, text in blocks("sh") for line in text.splitlines() if line.startswith("docker")]
    assert lines
    for _, compose, *words in lines:
        assert compose == "compose"
        for option, value in pairwise(words):
            if option == "--scale":
                assert value.partition("=")[0] in services
            elif option == "--profile":
                assert value in profiles
            elif option == "exec":
                assert value in services
                assert_segue_takes(words[words.index("segue") + 1 :])


def test_commands_in_the_text_exist() -> None:
    for line in re.findall(r"`segue ([a-z][^`]*)`", README):
        assert_segue_takes(shlex.split(line))


def test_targets_of_make_in_the_text_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def assert_segue_takes(words: list[str]) -> None:
    """Let click read the words as the command would, without running it."""
    context = click.Context(segue, info_name="segue")
    command: click.Command = segue
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        context = click.Context(found, parent=context, info_name=name)
        command = found
        if not words:
            return
    command.parse_args(context, list(words))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_compile_and_are_linked(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), path.name, "exec")
    assert f"(examples/{path.name})" in README


def test_no_two_examples_share_a_message_id() -> None:
    """Whoever runs a second one would have nothing delivered of it."""
    texts = [README, *(path.read_text(encoding="utf-8") for path in EXAMPLES)]
    found = [name for text in texts for name in re.findall(r'(?:message_id=f?|"messageId": )"([^"]+)"', text)]
    assert found
    assert len(set(found)) == len(found)


def test_nothing_to_paste_names_a_list_that_loops_does_not_have() -> None:
    """Loops refuses the whole request, and so the contact."""
    assert not [text for _, text in blocks() if "mailingLists" in text or "LIST_ID" in text]
    assert not [path for path in EXAMPLES if '"LIST_ID' in path.read_text(encoding="utf-8")]
    config = load_config(ROOT / "segue.example.yaml", {"LOOPS_API_KEY": "key", "SEGUE_WRITE_KEY": "key"})
    (lists,) = (each for each in config.destinations[0].mappings if each.name == "Newsletter changed")
    assert not lists.enabled


def test_every_environment_variable_is_in_the_table() -> None:
    rows = r"^\| `([A-Z_]+)` \|"
    explained = re.findall(rows, configuration(), re.MULTILINE)
    assert explained
    assert set(re.findall(rows, README, re.MULTILINE)) == set(explained)
