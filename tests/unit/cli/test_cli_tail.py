"""`segue tail` says what it follows, and how it ends."""

import pytest
from click.testing import CliRunner

from segue_producer.keys import DESTINATIONS
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.cli.store import connect


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
