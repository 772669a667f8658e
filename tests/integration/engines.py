"""Redis as people run it: Sentinel, Cluster, TLS; and RabbitMQ. Each on free ports, in a directory of its own."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import redis
from kombu import Connection

from segue_sandbox.embedded_redis import EmbeddedRedis, describe_server, find_server, free_port
from tests.integration.stack import KEYS, wait_until
from tests.needs import RABBITMQ_SERVER

SERVICE: Final = "segue-primary"
_READY_WITHIN_S: Final = 60


class _Servers(ABC):
    """Several servers that start and end together.

    Args:
        directory: for their data.
        options: further ones of all servers.
    """

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        self._exit = ExitStack()
        self._directory = directory
        self._options = options
        self.servers: list[EmbeddedRedis] = []

    @abstractmethod
    def start(self) -> None:
        """Start all of them."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()


class Sentinels(_Servers):
    """A primary, a replica and three Sentinels, which promote within two seconds or so.

    Args:
        directory: for their data.
        options: further ones of both servers.
        password: of the servers; the Sentinels have none.
    """

    def __init__(self, directory: Path, options: tuple[str, ...] = (), password: str = "") -> None:
        super().__init__(directory, options)
        self._password = password
        self.sentinel_ports: list[int] = []

    @property
    def url(self) -> str:
        """The URL of all."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        user, own = (f":{self._password}@", "?sentinel_password=") if self._password else ("", "")
        return f"redis+sentinel://{user}{hosts}/{SERVICE}/0{own}"

    def start(self) -> None:
        """Start all of them, and wait until the replica follows and each Sentinel knows the others."""
        for number in range(2):
            folder = self._directory / f"server{number}"
            folder.mkdir()
            follows = ("--replicaof", "127.0.0.1", str(self.servers[0].port)) if number else ()
            server = EmbeddedRedis(folder, (*self._options, *follows, "--repl-diskless-sync-delay", "0"))
            self.servers.append(self._exit.enter_context(server))
        for server in self.servers if self._password else ():
            with redis.Redis(port=server.port) as client:
                client.config_set("masterauth", self._password)
                client.config_set("requirepass", self._password)
        for number in range(3):
            port = free_port()
            config = self._directory / f"sentinel{number}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._directory}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.servers[0].port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 1000\n"
                + (f"sentinel auth-pass {SERVICE} {self._password}\n" if self._password else "")
                + f"sentinel failover-timeout {SERVICE} 5000\nsentinel parallel-syncs {SERVICE} 1\n"
            )
            self._exit.enter_context(process([str(find_server()), str(config), "--sentinel"], self._directory))
            self.sentinel_ports.append(port)
        for port in self.sentinel_ports:
            wait_until(partial(_sentinel_knows_all, port), within_s=_READY_WITHIN_S)

    @property
    def primary(self) -> EmbeddedRedis:
        """Whom the Sentinels name."""
        with redis.Redis(port=self.sentinel_ports[0]) as client:
            _, port = client.sentinel_get_master_addr_by_name(SERVICE)
        return next(server for server in self.servers if server.port == port)

    def follows(self, server: EmbeddedRedis) -> bool:
        """Whether a server is a replica that the Sentinels know as such, and has what its primary has."""
        return _follows(server) and all(map(_sentinel_knows_all, self.sentinel_ports))


class Cluster(_Servers):
    """Three primaries, each with a replica that takes over within two seconds or so.

    Args:
        directory: for their data.
        options: further ones of all servers.
    """

    def __init__(self, directory: Path, options: tuple[str, ...] = ()) -> None:
        super().__init__(directory, options)

    @property
    def url(self) -> str:
        """The URL of all."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{server.port}' for server in self.servers)}"

    def start(self) -> None:
        """Start all of them, hand out the slots, and wait until everybody agrees."""
        # Redis 6 has no option for the port of the bus, which is 10,000 above the other.
        is_old = describe_server(find_server()).startswith("Redis 6.")
        buses = []
        for number in range(6):
            folder, bus = self._directory / f"node{number}", free_port()
            folder.mkdir()
            options = (
                *("--cluster-enabled", "yes", *(() if is_old else ("--cluster-port", str(bus)))),
                *("--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"),
            )
            self.servers.append(self._exit.enter_context(EmbeddedRedis(folder, (*self._options, *options))))
            buses.append(self.servers[-1].port + 10_000 if is_old else bus)
        clients = [redis.Redis(port=server.port) for server in self.servers]
        bounds = (0, 5461, 10923, 16384)
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port, buses[0])
            if number < 3:
                client.execute_command("CLUSTER", "ADDSLOTS", *range(bounds[number], bounds[number + 1]))
        wait_until(lambda: all(len(_nodes(client)) == 6 for client in clients), within_s=_READY_WITHIN_S)
        for number in range(3):
            client, primary = clients[3 + number], clients[number].execute_command("CLUSTER", "MYID")
            wait_until(partial(_replicates, client, primary), within_s=_READY_WITHIN_S)
        for client in clients:
            wait_until(partial(_agrees, client), within_s=_READY_WITHIN_S)
            client.close()

    @property
    def primary(self) -> EmbeddedRedis:
        """The server that holds the destination `loops`."""
        return self.primary_of(KEYS.due)

    def primary_of(self, key: str) -> EmbeddedRedis:
        """The server that holds a key."""
        with redis.Redis(port=self._alive().port) as client:
            slot = client.execute_command("CLUSTER KEYSLOT", key)
            slots = client.execute_command("CLUSTER SLOTS")
        port = next(primary[1] for first, last, primary, *_ in slots if first <= slot <= last)
        return next(server for server in self.servers if server.port == port)

    def follows(self, server: EmbeddedRedis) -> bool:
        """Whether a server is a replica, and has what its primary has."""
        return _follows(server)

    def _alive(self) -> EmbeddedRedis:
        return next(server for server in self.servers if server.pid is not None)


class RabbitMQ:
    """A RabbitMQ of one node, as root or as anybody; its data stay while it is stopped.

    Args:
        directory: for its data.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self._running: ExitStack | None = None

    @property
    def url(self) -> str:
        """Its URL."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = str(self._directory)
        self._running = ExitStack()
        self._running.enter_context(process([RABBITMQ_SERVER], self._directory, **self._environ(folder)))
        wait_until(self._answers, within_s=_READY_WITHIN_S)

    def stop(self) -> None:
        """End it at once."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` says."""
        environ = {**os.environ, **self._environ(str(self._directory))}
        done = subprocess.run(
            [str(Path(RABBITMQ_SERVER).with_name("rabbitmqctl")), "--quiet", *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def _environ(self, folder: str) -> dict[str, str]:
        return {
            "HOME": folder,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_NODENAME": f"segue{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
        }

    def _answers(self) -> bool:
        with suppress(OSError), Connection(self.url, connect_timeout=1) as connection:
            connection.connect()
            return True
        return False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # Erlang's port mapper is a daemon, and outlives the node that started it; it ends once it knows that the node has.
        wait_until(self._port_mapper_is_gone, within_s=30)

    def _port_mapper_is_gone(self) -> bool:
        environ = {**os.environ, **self._environ("/")}
        done = subprocess.run(["epmd", "-kill"], env=environ, check=False, capture_output=True, text=True)
        return "not allowed" not in done.stdout + done.stderr


@contextmanager
def process(command: Sequence[str], directory: Path, **environ: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of our own, with a log, that ends with the block."""
    with (directory / "process.log").open("ab") as log:
        started = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **environ}, cwd=directory, start_new_session=True
        )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def _follows(server: EmbeddedRedis) -> bool:
    with suppress(redis.RedisError), redis.Redis(port=server.port) as client:
        found = client.info("replication")
        return bool(found["role"] == "slave" and found["master_link_status"] == "up")
    return False


def _sentinel_knows_all(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            state = client.sentinel_master(SERVICE)
            replicas = client.sentinel_slaves(SERVICE)
    except redis.RedisError:
        return False
    return bool(
        state["num-other-sentinels"] == 2
        and len(replicas) == 1
        and replicas[0]["master-link-status"] == "ok"
        and not replicas[0]["is_sdown"]
    )


def _nodes(client: redis.Redis) -> Any:
    return client.execute_command("CLUSTER NODES")


def _replicates(client: redis.Redis, primary: Any) -> bool:
    with suppress(redis.ResponseError):
        return bool(client.execute_command("CLUSTER", "REPLICATE", primary))
    return False


def _agrees(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER INFO")
    replication = client.info("replication")
    return bool(info["cluster_state"] == "ok") and bool(
        replication["role"] == "master" or replication["master_link_status"] == "up"
    )
