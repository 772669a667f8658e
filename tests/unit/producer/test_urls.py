import pytest

from segue_producer import urls
from segue_producer.broker import celery_app
from segue_producer.clients import async_redis_client, broker_url, redis_client

SENTINELS = "redis+sentinel://user:p%40ss@one:26380,two,[::1]:26381/primary/3?socket_timeout=9"


def test_sentinels_are_read_with_their_service_database_and_credentials() -> None:
    address = urls.parse(SENTINELS)
    assert address is not None
    assert (address.kind, address.service, address.tls) == (urls.SENTINEL, "primary", False)
    assert address.hosts == (("one", 26380), ("two", 26379), ("::1", 26381))
    assert address.options() == {"username": "user", "password": "p@ss", "db": 3, "socket_timeout": 9.0}
    assert address.sentinel_options() == {"username": "user", "password": "p@ss", "socket_timeout": 9.0, "ssl": False}
    assert address.node_url("three", 1) == "redis://user:p%40ss@three:1/3?socket_timeout=9"


@pytest.mark.parametrize(
    ("query", "user", "password"),
    [
        ("?sentinel_password=own", None, "own"),
        ("?sentinel_username=watcher&sentinel_password=a%26b", "watcher", "a&b"),
        ("?sentinel_password=", None, None),
    ],
)
def test_sentinels_may_have_credentials_of_their_own_or_none(
    query: str, user: str | None, password: str | None
) -> None:
    address = urls.parse(f"rediss+sentinel://user:pass@one/primary{query}&ssl_ca_certs=/ca.pem")
    assert address is not None
    options = address.sentinel_options()
    assert (options.get("username"), options.get("password")) == (user, password)
    assert (options["ssl"], options["ssl_ca_certs"]) == (True, "/ca.pem")
    assert (address.options()["username"], address.options()["password"]) == ("user", "pass")


def test_a_cluster_is_read_with_every_host() -> None:
    address = urls.parse("rediss+cluster://:secret@one:1,two:2?ssl_certfile=/client.pem")
    assert address is not None
    assert (address.kind, address.tls, address.hosts) == (urls.CLUSTER, True, (("one", 1), ("two", 2)))
    assert address.node_url("two", 2) == "rediss://:secret@two:2?ssl_certfile=%2Fclient.pem"


@pytest.mark.parametrize("url", ["redis://one:1/2", "rediss://one", "unix:///run/redis.sock?db=1"])
def test_one_server_is_left_to_redis_py(url: str) -> None:
    assert urls.parse(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://one",
        "redis+sentinel://one:26379",
        "redis+sentinel://one:26379/primary/db",
        "redis+sentinel:///primary",
        "redis+sentinel://one:port/primary",
        "redis+cluster://one:1/3",
        "redis+cluster://",
        "redis+sentinel://one/primary?socket_timeout=soon",
    ],
)
@pytest.mark.parametrize("make", [redis_client, async_redis_client])
async def test_what_is_no_url_of_a_redis_is_refused(url: str, make: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        make(url, timeout=1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://user:secret@one:1/2", "one:1"),
        ("redis://", "localhost:6379"),
        ("unix://:secret@/run/redis.sock", "/run/redis.sock"),
        ("rediss+sentinel://:secret@one,two:2/primary?sentinel_password=other", "one:26379, two:2"),
        ("redis+cluster://:secret@one,two:2", "one:6379, two:2"),
        ("amqp://guest:secret@rabbit//", "rabbit:5672"),
    ],
)
def test_messages_name_hosts_and_ports_and_no_secret(url: str, said: str) -> None:
    assert urls.where(url) == said


def test_celery_is_told_of_sentinels_sockets_and_certificates() -> None:
    conf = celery_app("a", SENTINELS, timeout=2, set_as_current=False).conf
    assert conf.broker_url == "sentinel://user:p%40ss@one:26380/3;sentinel://two:26379/3;sentinel://[::1]:26381/3"
    assert conf.broker_transport_options["master_name"] == "primary"
    assert conf.broker_transport_options["sentinel_kwargs"].get("password") == "p@ss"
    socket = celery_app("b", "unix:///run/redis.sock?db=4", timeout=2, set_as_current=False).conf
    assert socket.broker_url == "redis+socket:///run/redis.sock?virtual_host=4"
    tls = celery_app("c", "rediss://one?ssl_ca_certs=/ca.pem", timeout=2, set_as_current=False).conf
    assert tls.broker_use_ssl == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    rabbit = celery_app("d", "amqp://rabbit", timeout=2, set_as_current=False).conf
    assert "socket_timeout" not in rabbit.broker_transport_options


def test_a_cluster_has_no_broker_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_BROKER_URL", raising=False)
    assert broker_url(redis="redis+cluster://one") == ""
    assert broker_url("amqp://rabbit", redis="redis+cluster://one") == "amqp://rabbit"
