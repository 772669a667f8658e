"""URLs of Redis taken apart. The forms for Sentinel and Cluster are those of Python's `limits` library.

redis://[user:password@]host[:port][/db]                                     one server; rediss:// with TLS
unix://[user:password@]/path[?db=N]                                          the same, by a socket
redis+sentinel://[user:password@]host:port[,host:port…]/SERVICE[/DB]         rediss+sentinel:// with TLS
redis+cluster://[user:password@]host:port[,host:port…]                       rediss+cluster:// with TLS

What follows a question mark are options of redis-py's connections, as `ssl_ca_certs=/path`: those of `_OPTIONS`, which all of
its clients take, and with TLS those of `_TLS_OPTIONS`. Sentinels get the same user and password as the servers, unless
`sentinel_username` and `sentinel_password` are there; an empty one stands for none.
"""

import ssl
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from redis.connection import parse_url

from segue_producer.errors import AddressError

SENTINEL: Final = "sentinel"
CLUSTER: Final = "cluster"
_SCHEMES: Final = {f"{redis}+{kind}": kind for redis in ("redis", "rediss") for kind in (SENTINEL, CLUSTER)}
_PORTS: Final = {"amqp": 5672, "amqps": 5671, "redis+sentinel": 26379, "rediss+sentinel": 26379}
REDIS: Final = "URL of Redis (redis_url, --redis-url or SEGUE_REDIS_URL)"
BROKER: Final = "URL of the broker (broker_url or SEGUE_BROKER_URL)"

LONGEST_WAIT_S: Final = 86_400
"""A day. What is longer is a mistake, and sockets refuse it sooner or later."""


def is_wait(seconds: object) -> bool:
    """Whether somebody can wait for so many seconds: a number, more than 0 and at most a day."""
    return isinstance(seconds, int | float) and 0 < seconds <= LONGEST_WAIT_S


_WAIT: Final = f"must be seconds, more than 0 and at most {LONGEST_WAIT_S}"
_COUNT: Final = "must be 0 or more"
_OPTIONS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "db": (lambda value: value >= 0, _COUNT),
    "username": (bool, ""),
    "password": (bool, ""),
    "client_name": (
        lambda name: name.isascii() and name.isprintable() and " " not in name,
        "must be ASCII, without spaces",
    ),
    "protocol": (lambda value: value in (2, 3), "must be 2 or 3"),
    "socket_timeout": (is_wait, _WAIT),
    "socket_connect_timeout": (is_wait, _WAIT),
    "socket_keepalive": (lambda _: True, ""),
    "health_check_interval": (lambda value: value >= 0, _COUNT),
}
"""Options of a connection: whether redis-py's reading of a value can be used, and what else to write. Of redis-py's others
some break what Segue relies on (`decode_responses`), and some only its blocking clients take (`max_connections`)."""
_TLS_OPTIONS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "ssl_cert_reqs": (lambda value: value in ("none", "optional", "required"), "must be none, optional or required"),
    "ssl_min_version": (
        lambda value: value in {each.value for each in ssl.TLSVersion},
        f"must be {ssl.TLSVersion.TLSv1_2.value} for TLS 1.2 or {ssl.TLSVersion.TLSv1_3.value} for TLS 1.3",
    ),
    **dict.fromkeys(
        (
            *("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"),
            *("ssl_check_hostname", "ssl_ciphers", "ssl_include_verify_flags", "ssl_exclude_verify_flags"),
        ),
        (lambda _: True, ""),
    ),
}
_NOT_ON_CLUSTERS: Final = {"db", "ssl_ca_path", "ssl_password"}
_SENTINELS_OWN: Final = ("sentinel_username", "sentinel_password")


class Address(NamedTuple):
    """Where a Redis is that is more than one server.

    Attributes:
        kind: `SENTINEL` or `CLUSTER`.
        tls: whether connections are encrypted.
        user: "user:password@" as in the URL, or "".
        hosts: host and port of the Sentinels, or of some nodes of the cluster.
        service: what the Sentinels call their primary, or "".
        db: number of the database, or "".
        query: options of connections.
        sentinel_user: as `user`, for the Sentinels.
    """

    kind: str
    tls: bool
    user: str
    hosts: tuple[tuple[str, int], ...]
    service: str
    db: str
    query: str
    sentinel_user: str

    def node_url(self, host: str, port: int) -> str:
        """The URL of one of the servers."""
        return urlunsplit(
            ("rediss" if self.tls else "redis", f"{self.user}{_bracketed(host)}:{port}", self.db, self.query, "")
        )

    def options(self) -> dict[str, Any]:
        """User, password, database and the options of connections to a server, as redis-py's constructors take them."""
        return _options(self.node_url("-", 1))

    def sentinel_options(self) -> dict[str, Any]:
        """The same of connections to a Sentinel."""
        options = _options(urlunsplit(("redis", f"{self.sentinel_user}-", "", self.query, "")))
        return {**options, "ssl": self.tls}

    def sentinel_urls(self) -> str:
        """Celery's URL: one of each Sentinel, of which the first carries user, password and database of the server."""
        first, *others = [f"{_bracketed(host)}:{port}" for host, port in self.hosts]
        return ";".join(f"sentinel://{host}/{self.db or 0}" for host in (f"{self.user}{first}", *others))


def as_url(given: object, of: str) -> str:
    """What was given as a URL.

    Args:
        given: by whoever made a producer, or by the environment.
        of: `REDIS` or `BROKER`.

    Raises:
        AddressError: it is no text.
    """
    if not isinstance(given, str):
        raise AddressError(
            f"{of}: it must be text like redis://localhost:6379/0, but is of type {type(given).__name__}"
        )
    return given


def kind(url: str) -> str:
    """`SENTINEL`, `CLUSTER`, or "" for one server and for what is no Redis."""
    return _SCHEMES.get(url.partition("://")[0], "")


def where(url: str) -> str:
    """Hosts and ports of a URL, for messages: without user, password and parameters."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return ", ".join(f"{host or 'localhost'}:{port}" for host, port in _hosts(parts.scheme, parts.netloc))


def parse(url: str, *, of: str = REDIS) -> Address | None:
    """Take a URL apart; None where it is that of one server.

    Args:
        url: as a person wrote it.
        of: how messages call it, `REDIS` or `BROKER`.

    Raises:
        AddressError: it has none of the forms above, or a host, a port or an option that no client could use.
    """
    try:
        address = _parsed(url)
        _check_options(url)
    except _Fault as fault:
        raise AddressError(f"{of}: {fault}") from None
    except ValueError:
        raise AddressError(f"{of}: {_NO_URL}") from None
    return address


def check_hosts(url: str, *, of: str) -> None:
    """Check the hosts and ports of a URL of any kind.

    Raises:
        AddressError: nobody could connect to one of them.
    """
    try:
        parts = urlsplit(url)
        _check_hosts(_hosts(parts.scheme, parts.netloc))
    except _Fault as fault:
        raise AddressError(f"{of}: {fault}") from None
    except ValueError:
        raise AddressError(f"{of}: it is no URL, or its port is not valid: {_ESCAPE}") from None


class _Fault(ValueError):
    """Says what is wrong with a URL, without a value of it."""


_ESCAPE: Final = "write special characters of a password as %23"
_NO_URL: Final = (
    "it is not the URL of a Redis (scheme redis, rediss, unix, redis+sentinel or redis+cluster), or its port is not valid: "
    "write it like redis://localhost:6379/0, and special characters of a password as %23"
)


def _check_hosts(hosts: tuple[tuple[str, int], ...]) -> None:
    for host, _ in hosts:
        try:
            # As sockets do, when they look a host up.
            name = unquote(host).encode("idna")
        except UnicodeError:
            name = b"\0"
        if b"\0" in name:
            raise _Fault(
                "a host cannot be looked up: the parts between its dots have 1 to 63 characters each; correct it"
            )


def _check_options(url: str) -> None:
    parts = urlsplit(url)
    if parts.fragment:
        raise _Fault(f"it has a #: {_ESCAPE}")
    known = _OPTIONS | (_TLS_OPTIONS if parts.scheme.startswith("rediss") else {})
    if kind(url) == CLUSTER:
        known = {name: rule for name, rule in known.items() if name not in _NOT_ON_CLUSTERS}
    if parts.scheme == "unix":
        known = {name: rule for name, rule in known.items() if name != "socket_keepalive"}
    own = _SENTINELS_OWN if kind(url) == SENTINEL else ()
    for name, value in parse_qsl(parts.query):
        if name in own:
            continue
        # What stands behind the question mark of a password that was not escaped is nobody's to see.
        of_password = "@" in parts.query or not name.isidentifier()
        said = "what follows its ? (write one in a password as %3F)" if of_password else f"its option {name!r}"
        if name not in known:
            if name in _TLS_OPTIONS and not parts.scheme.startswith("rediss"):
                raise _Fault(f"{said} is for connections with TLS: begin the URL with rediss, or leave it out")
            raise _Fault(
                f"{said} is none that can be used here: leave it out, or take one of {', '.join(sorted(known))}"
            )
        usable, rule = known[name]
        try:
            good = usable(_option(name, value))
        except ValueError:
            good = False
        if not good:
            raise _Fault(f"{said} {rule or 'has a value that cannot be read'}: correct it, or leave it out")


def _option(name: str, value: str) -> Any:
    """An option as redis-py reads it."""
    return parse_url(f"redis://?{urlencode({name: value})}")[name]


def _parsed(url: str) -> Address | None:
    url.encode()
    parts = urlsplit(url)
    if not kind(url):
        found = parse_url(url)
        _check_hosts(((found["host"], 0),) if "host" in found else ())
        if parts.scheme == "unix" and "\0" in found.get("path", "\0"):
            raise _Fault("name the socket, like unix:///run/redis.sock")
        database = unquote(parts.path).strip("/ ")
        if parts.scheme != "unix" and database and not database.isdecimal():
            # redis-py would take the first database, or of 1/2 the twelfth.
            raise _Fault(
                "what follows its host must be the number of a database, as in redis://localhost:6379/0: correct it, or "
                "write a / in a password as %2F"
            )
        return None
    user, at, _ = parts.netloc.rpartition("@")
    hosts = _hosts(parts.scheme, parts.netloc)
    service, _, db = parts.path.strip("/").partition("/")
    if not all(host for host, _ in hosts):
        raise _Fault(f"write it like {parts.scheme}://host:port,host:port")
    _check_hosts(hosts)
    if kind(url) == CLUSTER and service.strip("0"):
        raise _Fault("a cluster has no databases: leave out what follows its hosts and the /")
    if kind(url) == SENTINEL and (not service or not (db or "0").isdigit()):
        raise _Fault(f"name the service, like {parts.scheme}://host:26379/mymaster")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    sentinel_user = user + at
    if "sentinel_password" in query or "sentinel_username" in query:
        own = [quote(query.pop(f"sentinel_{name}", ""), safe="") for name in ("username", "password")]
        sentinel_user = f"{':'.join(own)}@" if any(own) else ""
    return Address(
        kind=kind(url),
        tls=parts.scheme.startswith("rediss"),
        user=user + at,
        hosts=hosts,
        service=service if kind(url) == SENTINEL else "",
        db=db,
        query=urlencode(query),
        sentinel_user=sentinel_user,
    )


def _hosts(scheme: str, netloc: str) -> tuple[tuple[str, int], ...]:
    each = [urlsplit(f"//{host}") for host in netloc.rpartition("@")[2].split(",")]
    return tuple((host.hostname or "", host.port or _PORTS.get(scheme, 6379)) for host in each)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _options(url: str) -> dict[str, Any]:
    found = parse_url(url)
    return {name: value for name, value in found.items() if name not in ("host", "port", "connection_class")}
