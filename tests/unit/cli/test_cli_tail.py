"""`segue tail` says what it follows, and how it ends; and what its filters have in common with those of `segue trace`."""

import pytest
from click.testing import CliRunner

from segue_producer.keys import DESTINATIONS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.cli.store import connect
from segue_worker.outbox.log_record import FIELD, EventPart, Record


@pytest.mark.parametrize(
    ("count", "said"),
    [(2, "Following team-0, team-1\n"), (300, "Following 300 destinations\n")],
)
def test_what_is_followed_is_told_in_a_line_and_an_end_of_its_own_too(count: int, said: str) -> None:
    with EmbeddedRedis() as server:
        with connect(server.url) as redis:
            redis.hset(DESTINATIONS, mapping={f"team-{number}": 1 for number in range(count)})
        arguments = ["tail", "--since", "1m", "--until", "0s", "--config", "none.yaml", "--redis-url", server.url]
        result = CliRunner().invoke(segue, arguments)
    assert (result.exit_code, result.stderr) == (0, said)


@pytest.mark.parametrize("command", [["tail"], ["trace", "--contact", "u1"]])
def test_a_time_that_ends_before_it_begins_is_refused(command: list[str]) -> None:
    result = CliRunner().invoke(segue, [*command, "--since", "1h", "--until", "2h"])
    assert result.exit_code == 2
    assert "--since is later than --until" in result.stderr


def test_who_is_known_but_not_by_the_filters_is_not_called_unknown() -> None:
    arguments = ["trace", "--contact", "u1", "--config", "none.yaml"]
    with EmbeddedRedis() as server:
        with connect(server.url) as redis:
            redis.hset(DESTINATIONS, "loops", 1)
            event = b'{"type":"track","event":"E","userId":"u1","messageId":"m1"}'
            redis.rpush(Keys("loops").outbox + "u1", event)
            redis.zadd(Keys("loops").due, {"u1": 1})
        arguments += ["--redis-url", server.url]
        found = CliRunner().invoke(segue, arguments)
        filtered = CliRunner().invoke(segue, [*arguments, "--outcome", "dead"])
    assert (found.exit_code, found.stdout.splitlines()[0]) == (0, "m1 'E' at loops: pending")
    assert filtered.exit_code == 1
    assert "No event of this person at any destination matches the filters" in " ".join(filtered.stderr.split())


@pytest.mark.parametrize("protocol", [2, 3])
def test_entries_are_shown_by_either_protocol_of_redis(redis_server: EmbeddedRedis, protocol: int) -> None:
    record = Record("0" * 16, [EventPart("m1", "Bought", "filtered", 1)])
    with connect(redis_server.url) as redis:
        redis.hset(DESTINATIONS, "loops", 1)
        redis.xadd(Keys("loops").log, {FIELD: record.to_json()})
    url = f"{redis_server.url}?protocol={protocol}"
    arguments = ["tail", "--since", "1m", "--until", "0s", "--config", "none.yaml", "--redis-url", url]
    result = CliRunner().invoke(segue, arguments)
    assert result.exit_code == 0, result.exc_info
    assert "m1" in result.stdout
