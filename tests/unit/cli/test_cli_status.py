"""`segue status`, `segue pause` and `segue resume`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from segue_producer import OutboxUnavailable, Producer
from segue_producer.keys import DESTINATIONS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis, free_port
from segue_worker.cli import segue
from segue_worker.outbox.pause import Pause

KEYS = Keys("loops")
CONFIG = "destinations:\n  - {name: configured, api_key: '${LOOPS_API_KEY}'}\n"
Run = Callable[..., Result]


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.hset(DESTINATIONS, mapping={"loops": 1, "beta": 1})
        yield client


@pytest.fixture
def run(redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `segue` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    environ = {"SEGUE_REDIS_URL": redis_server.url, "SEGUE_CONFIG": None, "LOOPS_API_KEY": "sk-test-api-key"}
    return lambda *arguments: CliRunner().invoke(segue, arguments, env=environ)


def paused(redis: "Redis") -> Pause:
    raw = redis.get(KEYS.paused)
    assert raw is not None
    return Pause.from_json(raw)


def test_every_destination_of_the_configuration_and_of_redis_is_shown(run: Run, redis: "Redis") -> None:
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    redis.set(KEYS.pending, 4)
    result = run("status", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    destinations = json.loads(result.stdout)["destinations"]
    assert list(destinations) == ["configured", "beta", "loops"]
    assert [each["pending"] for each in destinations.values()] == [0, 0, 4]
    assert destinations["loops"].keys() >= {
        *("pending", "due", "in_flight", "parked", "dead", "paused", "oldest_pending_s"),
        *("delivered", "filtered", "duplicates", "requests", "retries", "rate_limited"),
    }


@pytest.mark.usefixtures("redis")
def test_a_configuration_that_cannot_be_read_is_only_a_remark(run: Run) -> None:
    result = run("status", "--json")
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)["destinations"]) == ["beta", "loops"]
    assert result.stderr.startswith("segue.yaml: there is no such file")
    Path("segue.yaml").write_text("destinations:\n  - {name: A, rate_limt: 1}\n", encoding="utf-8")
    assert "(segue check shows further problems)" in run("status").stderr


def test_the_tables_keep_names_whole_and_explain_a_pause(
    run: Run, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.hset(DESTINATIONS, "a-destination-with-quite-a-long-name", 1)
    redis.set(KEYS.paused, Pause("[bold]the key is refused[/]", 1_700_000_000_000, None).to_json())
    redis.set(KEYS.pending, 12_345_678)
    redis.hset(KEYS.totals, mapping={"delivered": 123_456_789, "requests": 123_456_789, "rate_limited": 9_999})
    redis.hset(KEYS.settings, "rate_limit", 10)
    monkeypatch.setattr("segue_worker.observing.metrics.speed.time.time", lambda: 1_700_000_040.0)
    redis.hset(f"{KEYS.stats}{1_700_000_040 // 60}", mapping={"requests": 30})
    redis.hset(f"{KEYS.stats}{1_700_000_040 // 60 - 1}", mapping={"requests": 60, "wait:6": 9, "took:14": 9})
    result = run("status", "--utc")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert sum(line.startswith("a-destination-with-quite-a-long-name ") for line in lines) == 3
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert [line.split() for line in lines if line.startswith("loops ") and "is paused" not in line] == [
        ["loops", "12,345,678", "0", "0", "0", "0", "0:00:00", "0", "-", "yes"],
        ["loops", "1.5", "10", "75", "ms", "98", "ms", "40", "s", "58", "s"],
        ["loops", "123,456,789", "0", "0", "0", "123,456,789", "0", "9,999"],
    ]
    assert rows["beta"] == ["0"] * 7
    assert (
        "loops is paused since 2023-11-14T22:13:20Z, until segue resume: [bold]the key is refused[/]" in result.stdout
    )


@pytest.mark.usefixtures("redis")
def test_a_destination_that_is_not_enabled_is_told_as_such(run: Run) -> None:
    told = "configured is not enabled in the configuration: it takes events and sends none"
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    assert told not in run("status").stdout
    Path("segue.yaml").write_text(CONFIG.replace("}\n", ", enabled: false}\n"), encoding="utf-8")
    assert told in run("status").stdout.splitlines()


def test_only_the_destinations_that_are_named_are_shown(run: Run, redis: "Redis") -> None:
    redis.hset(DESTINATIONS, "third", 1)
    assert list(json.loads(run("status", "loops", "beta", "--json").stdout)["destinations"]) == ["loops", "beta"]
    result = run("status", "lops")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no destination 'lops'; there are: beta, loops, third" in result.stderr


def test_only_destinations_with_a_problem_are_shown_the_worst_first(run: Run, redis: "Redis") -> None:
    assert run("status", "--problems").stderr.endswith("No destination has a problem\n")
    redis.hset(Keys("beta").settings, "max_pending", 10)
    redis.set(Keys("beta").pending, 8)
    redis.set(KEYS.paused, Pause("the key is refused", 1_700_000_000_000, None).to_json())
    assert list(json.loads(run("status", "--problems", "--json").stdout)["destinations"]) == ["loops"]
    redis.set(Keys("beta").pending, 9)
    found = json.loads(run("status", "--problems", "--json").stdout)["destinations"]
    assert list(found) == ["loops", "beta"]
    assert found["beta"]["problems"] == ["destination 'beta': 9 events pending, and it takes 10 (max_pending)"]
    assert "9 events pending" in run("status", "--problems").stdout


def test_nothing_known_is_said(run: Run, redis: "Redis") -> None:
    redis.flushall()
    result = run("status", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {"destinations": {}, "damaged": {}, "workers": {"alive": 0, "config_versions": {}}, "swept_s_ago": None},
    )
    assert "no worker has announced one" in result.stderr


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(("options", "shown"), [(["--json"], '"loops"'), ([], "loops ")])
def test_watching_goes_on_until_ctrl_c(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str], shown: str
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("segue_worker.cli.status.time.sleep", wait)
    result = run("status", "--watch", *options)
    assert result.exit_code == 0
    assert waits == [1.0, 1.0, 1.0]
    assert result.stdout.count(shown) == (3 if options else 9)


@pytest.mark.parametrize(
    "command", [["status"], ["status", "--watch"], ["pause", "loops"], ["resume", "loops"], ["dead", "list"]]
)
def test_a_redis_that_does_not_answer_is_a_message(run: Run, command: list[str]) -> None:
    port = free_port()
    result = run(*command, "--redis-url", f"redis://user:secret@127.0.0.1:{port}/0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Redis at 127.0.0.1:{port} does not answer (ConnectionError); check that it runs" in result.stderr
    assert "secret" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["status", "--json"], ["status"], ["metrics"]])
def test_a_disk_that_is_full_is_not_told_as_redis(
    redis_server: EmbeddedRedis, tmp_path: Path, command: list[str]
) -> None:
    config = tmp_path / "segue.yaml"
    config.write_text("destinations: [{name: loops, api_key: k}]", encoding="utf-8")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "segue_worker.cli",
                *command,
                "--config",
                str(config),
                "--redis-url",
                redis_server.url,
            ],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "The command could not read or print: No space left on device" in done.stderr
    assert "Redis" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_redis_that_answers_but_refuses_is_not_said_to_be_away(run: Run, redis: "Redis") -> None:
    Path("segue.yaml").write_text(CONFIG.replace("configured", "loops"), encoding="utf-8")
    redis.set(KEYS.due, "no sorted set")
    for command in ("status", "health"):
        result = run(command)
        assert (result.exit_code, f"{KEYS.due} is a string, and should be a sorted set" in result.output) == (1, True)
        assert "not answer" not in result.output


@pytest.mark.parametrize("command", ["status", "health", "doctor"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("//", "//user:secret@"), "check the user and password in its URL"),
        (("/0", "/999999"), "it has no database of the number in its URL"),
    ],
)
def test_a_password_or_a_database_that_redis_refuses_is_told(  # noqa: PLR0913, PLR0917 - fixtures
    run: Run,
    redis_server: EmbeddedRedis,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    change: tuple[str, str],
    said: str,
) -> None:
    Path("segue.yaml").write_text("destinations: [{name: loops, api_key: k, base_url: 'http://127.0.0.1:1'}]")
    url = redis_server.url.replace(*change)
    monkeypatch.setenv("SEGUE_BROKER_URL", url)
    result = run(command, "--redis-url", url)
    # The doctor says it of Redis, and of the broker.
    assert (result.exit_code, result.output.count(said)) == (1, 2 if command == "doctor" else 1)
    assert "start it" not in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("//", "//user:secret@"), "check the user and password in its URL"),
        (("/0", "/999999"), "it has no database of the number in its URL"),
    ],
)
def test_a_producer_tells_the_same(redis_server: EmbeddedRedis, change: tuple[str, str], said: str) -> None:
    with Producer(redis_server.url.replace(*change)) as producer, pytest.raises(OutboxUnavailable, match=said):
        producer.track("u1", "Signed Up")


@pytest.mark.parametrize(
    "url", ["localhost:6379", "redis://redis..internal", "redis://h?foo=bar", "redis://user:secret@h:99999"]
)
@pytest.mark.parametrize(
    "command", ["status", "health", "doctor", "trace m", "dead list", "metrics", "check --live", "check --online"]
)
def test_a_url_that_cannot_be_used_is_a_line(run: Run, command: str, url: str) -> None:
    Path("segue.yaml").write_text("destinations: [{name: loops, api_key: k}]", encoding="utf-8")
    result = run(*command.split(), "--redis-url", url)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("URL of Redis (redis_url, --redis-url or SEGUE_REDIS_URL): ")
    assert "secret" not in result.stderr


def test_a_pause_by_hand_is_never_probed_and_keeps_its_reason(run: Run, redis: "Redis") -> None:
    result = run("pause", "loops", "--reason", "new key on its way")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Paused loops; to resume it: segue resume loops" in result.stderr
    assert (paused(redis).reason, paused(redis).next_probe) == ("new key on its way", None)
    assert redis.exists(Keys("beta").paused) == 0


def test_a_pause_of_segue_becomes_one_by_hand_and_keeps_its_beginning(run: Run, redis: "Redis") -> None:
    redis.set(KEYS.paused, Pause("Loops refuses the API key", 1000, 61_000, 2).to_json())
    assert "was paused already" in run("pause", "loops").stderr
    assert paused(redis) == Pause("paused by hand", 1000, None)


def test_resume_ends_any_pause_and_says_where_there_is_none(run: Run, redis: "Redis") -> None:
    redis.set(KEYS.paused, Pause("Loops refuses the API key", 1000, 61_000).to_json())
    result = run("resume", "loops")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Resumed loops\n")
    assert redis.exists(KEYS.paused) == 0
    result = run("resume", "loops")
    assert (result.exit_code, result.stderr) == (0, "loops is not paused\n")


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_unknown_destination_is_told_the_known_ones(run: Run, command: str) -> None:
    result = run(command, "lops")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "There is no destination 'lops'; there are: beta, loops\n"


def test_a_destination_that_is_only_configured_or_only_left_data_can_be_paused(run: Run, redis: "Redis") -> None:
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    redis.hset(Keys("former").totals, "delivered", 1)
    assert run("pause", "configured").exit_code == 0
    assert run("pause", "former").exit_code == 0
    assert redis.exists(Keys("configured").paused, Keys("former").paused) == 2


def test_where_none_is_known_the_reason_is_told(run: Run, redis: "Redis") -> None:
    redis.flushall()
    result = run("pause", "loops")
    assert result.exit_code == 2
    assert "there is none: no worker has announced one" in result.stderr
    assert "segue.yaml: there is no such file" in result.stderr


def test_a_pause_for_a_while_says_until_when(run: Run, redis: "Redis") -> None:
    said = run("pause", "loops", "--reason", "a look around", "--for", "30m").stderr
    until = json.loads(run("status", "--json").stdout)["destinations"]["loops"]["paused"]["until"]
    assert said == f"Paused loops until {until}; it resumes by itself; to resume it before: segue resume loops\n"
    assert paused(redis).until == paused(redis).since + 1_800_000
    assert 0 < redis.pttl(KEYS.paused) <= 1_800_000
    assert f"until {until}: a look around" in " ".join(run("status").stdout.split())
    wrong = run("pause", "loops", "--for", "30")
    assert (wrong.exit_code, "a number needs a unit" in wrong.stderr) == (2, True)
