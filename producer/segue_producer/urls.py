"""URLs of Redis taken apart. The forms for Sentinel and Cluster are those of Python's `limits` library.

redis://[user:password@]host[:port][/db]                                     one server; rediss:// with TLS
unix://[user:password@]/path[?db=N]                                          the same, by a socket
redis+sentinel://[user:password@]host:port[,host:port…]/SERVICE[/DB]         rediss+sentinel:// with TLS
redis+cluster://[user:password@]host:port[,host:port…]                       rediss+cluster:// with TLS

What follows a question mark are options of redis-py's connections, as `ssl_ca_certs=/path`. Sentinels get the same user and
password as the servers, unless `sentinel_username` and `sentinel_password` are there; an empty one stands for none.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from redis.connection import parse_url

SENTINEL: Final = "sentinel"
CLUSTER: Final = "cluster"
_SCHEMES: Final = {f"{redis}+{kind}": kind for redis in ("redis", "rediss") for kind in (SENTINEL, CLUSTER)}
_PORTS: Final = {"amqp": 5672, "amqps": 5671, "redis+sentinel": 26379, "rediss+sentinel": 26379}


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


def kind(url: str) -> str:
    """`SENTINEL`, `CLUSTER`, or "" for one server and for what is no Redis."""
    return _SCHEMES.get(url.partition("://")[0], "")


def where(url: str) -> str:
    """Hosts and ports of a URL, for messages: without user, password and parameters."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return ", ".join(f"{host or 'localhost'}:{port}" for host, port in _hosts(parts.scheme, parts.netloc))


def parse(url: str) -> Address | None:
    """Take a URL apart; None where it is that of one server.

    Raises:
        ValueError: it has none of the forms above.
    """
    if not kind(url):
        parse_url(url)
        return None
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    hosts = _hosts(parts.scheme, parts.netloc)
    service, _, db = parts.path.strip("/").partition("/")
    if not all(host for host, _ in hosts):
        raise ValueError(f"write it like {parts.scheme}://host:port,host:port")
    if kind(url) == CLUSTER and service.strip("0"):
        raise ValueError(f"{parts.scheme}: a cluster has no databases; leave out /{service}")
    if kind(url) == SENTINEL and (not service or not (db or "0").isdigit()):
        raise ValueError(f"{parts.scheme}: name the service, like {parts.scheme}://host:26379/mymaster")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    sentinel_user = user + at
    if "sentinel_password" in query or "sentinel_username" in query:
        own = [quote(query.pop(f"sentinel_{name}", ""), safe="") for name in ("username", "password")]
        sentinel_user = f"{':'.join(own)}@" if any(own) else ""
    address = Address(
        kind=kind(url),
        tls=parts.scheme.startswith("rediss"),
        user=user + at,
        hosts=hosts,
        service=service if kind(url) == SENTINEL else "",
        db=db,
        query=urlencode(query),
        sentinel_user=sentinel_user,
    )
    address.options()
    return address


def _hosts(scheme: str, netloc: str) -> tuple[tuple[str, int], ...]:
    each = [urlsplit(f"//{host}") for host in netloc.rpartition("@")[2].split(",")]
    return tuple((host.hostname or "", host.port or _PORTS.get(scheme, 6379)) for host in each)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _options(url: str) -> dict[str, Any]:
    found = parse_url(url)
    return {name: value for name, value in found.items() if name not in ("host", "port", "connection_class")}
