"""What may be done to each kind of Redis, and to a broker, while events keep coming."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.integration.engines import Cluster, RabbitMQ, Sentinels
from tests.integration.stack import wait_until

_PROMOTED_WITHIN_S: Final = 60


class Target(Protocol):
    """A Redis, and perhaps a broker, to be struck.

    Attributes:
        broker_url: of a broker of its own, or None.
        settings: further keys of the destination.
    """

    broker_url: str | None
    settings: dict[str, str]

    @property
    def url(self) -> str:
        """The URL of the Redis."""

    def restart(self, rng: random.Random) -> None:
        """Take away what events or hints go through, and bring it back."""

    def hang(self, seconds: float) -> None:
        """Let it answer nothing for a while."""


class Single:
    """One server, which is also the broker."""

    broker_url: str | None = None
    settings: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    def __init__(self, server: EmbeddedRedis) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """The URL of the Redis."""
        return self._server.url

    def restart(self, rng: random.Random) -> None:
        """Stop or kill it, and start it again with its data."""
        rng.choice([self._server.stop, self._server.kill])()
        time.sleep(1.0)
        self._server.start()

    def hang(self, seconds: float) -> None:
        """Let it answer nothing for a while."""
        _hang(self._server, seconds)


class Replicated:
    """Sentinels or a cluster: a primary is killed, and comes back as a replica of the one that was promoted.

    A primary that only hangs would believe for a moment that it still is one; docs/engines.md says what that may cost.
    """

    settings: dict[str, str] = {"durability": "replicated"}  # noqa: RUF012 - nobody changes it

    def __init__(self, engine: Sentinels | Cluster, broker_url: str | None) -> None:
        self._engine = engine
        self.broker_url = broker_url

    @property
    def url(self) -> str:
        """The URL of the Redis."""
        return self._engine.url

    def restart(self, rng: random.Random) -> None:
        """Kill a primary, wait for the promotion, and start what was killed."""
        del rng
        primary = self._engine.primary
        primary.kill()
        wait_until(lambda: self._engine.primary is not primary, within_s=_PROMOTED_WITHIN_S)
        primary.start()
        wait_until(lambda: self._engine.follows(primary), within_s=_PROMOTED_WITHIN_S)

    def hang(self, seconds: float) -> None:
        """Leave it alone."""


class WithRabbitMQ(Single):
    """One server for the events, and RabbitMQ for hints, which is away for a while."""

    def __init__(self, server: EmbeddedRedis, broker: RabbitMQ) -> None:
        super().__init__(server)
        self._broker = broker
        self.broker_url = broker.url

    def restart(self, rng: random.Random) -> None:
        """Stop the broker for some seconds."""
        self._broker.stop()
        time.sleep(rng.uniform(1.0, 20.0))
        self._broker.start()


@contextmanager
def target(name: str, directory: Path) -> Iterator[Target]:
    """Start what is named `redis`, `sentinel`, `cluster` or `rabbitmq`."""
    if name == "sentinel":
        with Sentinels(directory) as sentinels:
            yield Replicated(sentinels, None)
    elif name == "cluster":
        with Cluster(directory) as cluster, EmbeddedRedis() as broker:
            yield Replicated(cluster, broker.url)
    elif name == "rabbitmq":
        with EmbeddedRedis() as server, RabbitMQ(directory) as rabbitmq:
            yield WithRabbitMQ(server, rabbitmq)
    else:
        with EmbeddedRedis() as server:
            yield Single(server)


def _hang(server: EmbeddedRedis, seconds: float) -> None:
    if server.pid is not None:
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(server.pid, signal.SIGCONT)
