from typing import Any

import pytest
from redis import RedisError

from segue_producer import urls
from segue_producer.broker import celery_app
from segue_producer.clients import async_redis_client, broker_url, redis_client, redis_url
from segue_producer.errors import AddressError
from segue_sandbox.embedded_redis import free_port

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


@pytest.mark.parametrize(
    "url", ["redis://one:1/2", "redis://one/", "redis://one/0/", "rediss://one", "unix:///run/redis.sock?db=1"]
)
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
        ("redis://redis..internal:6379/0", "a host cannot be looked up"),
        ("redis://.redis", "a host cannot be looked up"),
        (f"redis://{'a' * 300}", "a host cannot be looked up"),
        ("redis://a%00b", "a host cannot be looked up"),
        ("redis+sentinel://one,a..b:1/primary", "a host cannot be looked up"),
        ("redis+cluster://a..b", "a host cannot be looked up"),
        ("redis://one:99999", "its port is not valid"),
        ("redis://[", "its port is not valid"),
        ("redis://:\udcff@one", "not the URL of a Redis"),
        ("unix://", "name the socket"),
        ("unix:///a%00b", "name the socket"),
        ("redis://one/0?foo=bar", "'foo'"),
        ("redis+sentinel://one/primary?foo=bar", "'foo'"),
        ("redis://one?ssl=true", "'ssl'"),
        ("redis://one?path=/x", "'path'"),
        ("redis://one?encoding_errors=zz", "'encoding_errors'"),
        ("redis://one?decode_responses=true", "'decode_responses'"),
        ("redis://one?parser_class=x", "'parser_class'"),
        ("redis://one?retry=5", "'retry'"),
        ("redis://one?socket_keepalive_options=x", "'socket_keepalive_options'"),
        ("redis://one?max_connections=5", "'max_connections'"),
        ("unix:///x?socket_keepalive=true", "'socket_keepalive'"),
        ("redis+cluster://one?db=1", "'db'"),
        ("rediss+cluster://one?ssl_password=a", "'ssl_password'"),
        ("redis://one?sentinel_password=a", "'sentinel_password'"),
        ("redis://one?ssl_cert_reqs=none", "'ssl_cert_reqs' is for connections with TLS"),
        ("rediss://one?ssl_cert_reqs=maybe", "'ssl_cert_reqs' must be none, optional or required"),
        ("rediss://one?ssl_min_version=1", "'ssl_min_version' must be 771"),
        ("redis://one?db=-1", "'db' must be 0 or more"),
        ("redis://one?protocol=9", "'protocol' must be 2 or 3"),
        ("redis://one?socket_timeout=nan", "'socket_timeout' must be seconds"),
        ("redis://one?socket_connect_timeout=-1", "'socket_connect_timeout' must be seconds"),
        ("redis://one?socket_timeout=1e12", "'socket_timeout' must be seconds"),
        ("redis://one?health_check_interval=-1", "'health_check_interval' must be 0 or more"),
        ("redis://one?client_name=a%20b", "'client_name' must be ASCII"),
        ("redis://user:12?secret=4@one", "as %3F"),
        ("redis://user:12#secret@one", "as %23"),
        ("redis://user:secret#1@one", "as %23"),
        ("redis+cluster://one/secret", "a cluster has no databases"),
        ("redis://one:6379/segue", "must be the number of a database"),
        ("rediss://one/1/2", "must be the number of a database"),
        ("redis://one/-1", "must be the number of a database"),
        ("redis://user:12/secret@one", "a / in a password as %2F"),
    ],
)
@pytest.mark.parametrize("make", [redis_client, async_redis_client])
async def test_a_part_that_cannot_be_used_is_named_but_no_secret(url: str, said: str, make: object) -> None:
    with pytest.raises(AddressError) as caught:
        make(url, timeout=1)  # type: ignore[operator]
    assert said in str(caught.value)
    assert "SEGUE_REDIS_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


OPTIONS = (
    "username=a&password=b&client_name=c&protocol=3&socket_timeout=1&socket_connect_timeout=1&health_check_interval=9"
)
CERTIFICATES = (
    "ssl_cert_reqs=none&ssl_check_hostname=false&ssl_min_version=771&ssl_ciphers=x&ssl_ca_certs=a&ssl_certfile=b"
    "&ssl_keyfile=c&ssl_ca_data=d"
)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://one?db=1&socket_keepalive=true&{OPTIONS}",
        f"rediss://one?{OPTIONS}&{CERTIFICATES}&ssl_ca_path=a&ssl_password=b",
        f"unix:///run/redis.sock?db=1&{OPTIONS}",
        f"redis+sentinel://one/primary?db=1&{OPTIONS}",
        f"rediss+sentinel://one/primary?{OPTIONS}&{CERTIFICATES}&ssl_ca_path=a&ssl_password=b",
    ],
)
async def test_every_option_that_is_taken_is_one_of_each_client(url: str) -> None:
    for client in (redis_client(url, timeout=1), async_redis_client(url, timeout=1)):
        client.connection_pool.make_connection()


async def test_every_option_of_a_cluster_is_one_of_each_client() -> None:
    url = f"rediss+cluster://127.0.0.1:{free_port()}?socket_keepalive=true&{OPTIONS}&{CERTIFICATES}"
    async_redis_client(url, timeout=1)
    with pytest.raises(RedisError):
        redis_client(url, timeout=1).ping()


@pytest.mark.parametrize(
    ("url", "celerys"),
    [
        (f"redis://one:1/2?{OPTIONS}", "redis://a:b@one:1/2"),
        ("redis://:p%40ss@one?db=3", "redis://:p%40ss@one/3"),
        (f"unix://:pw@/run/redis.sock?db=4&{OPTIONS}", "redis+socket://a:pw@/run/redis.sock?virtual_host=4"),
        (f"rediss://[::1]:1?{CERTIFICATES}", "rediss://[::1]:1/0"),
    ],
)
def test_celery_gets_no_option_that_it_would_take_for_its_own(url: str, celerys: str) -> None:
    app = celery_app("a", url, timeout=2, set_as_current=False)
    assert app.conf.broker_url == celerys
    assert app.connection_for_write().virtual_host
    if url.startswith("rediss"):
        assert app.conf.broker_use_ssl["ssl_cert_reqs"] == "none"
        assert app.conf.broker_use_ssl["ssl_min_version"] == 771


@pytest.mark.parametrize(
    "url",
    [
        "amqp://rabbit:99999",
        "amqp://a..b",
        "amqp://one;amqp://[",
        "http://one",
        "text",
        "redis://one?foo=bar",
        "redis://one/segue",
        "redis://a..b",
    ],
)
def test_what_is_no_url_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="SEGUE_BROKER_URL"):
        celery_app("a", url, timeout=2, set_as_current=False)


@pytest.mark.parametrize("given", [123, b"redis://one"])
def test_a_url_is_text(given: Any) -> None:
    with pytest.raises(AddressError, match="SEGUE_REDIS_URL"):
        redis_url(given)
    with pytest.raises(AddressError, match="SEGUE_BROKER_URL"):
        broker_url(given)


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
