"""Finds the write key of a request, and the source that it stands for."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from segue_producer.entries import source_of
from segue_producer.lanes import Lane
from segue_tracking_api.answers import RequestRefused


class WriteKeySource(NamedTuple):
    """What comes with one write key.

    Attributes:
        id: by which the outbox and the log know it (`segue_producer.entries.source_of`).
        destinations: names of those that its events go to.
        lane: in which they wait.
        public: whether everybody can read the key.
    """

    id: str
    destinations: tuple[str, ...]
    lane: Lane = "live"
    public: bool = False


class WriteKeys:
    """The write keys that are accepted. They are never shown, not even in a repr.

    Args:
        sources: for each write key, the names of the destinations that its events go to.
        lanes: write key → lane; `live` where left out.
        public: those that everybody can read.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[str]],
        lanes: Mapping[str, Lane] = MappingProxyType({}),
        public: Collection[str] = (),
    ) -> None:
        self._sources = [
            (key.encode(), WriteKeySource(source_of(key), tuple(destinations), lanes.get(key, "live"), key in public))
            for key, destinations in sources.items()
        ]

    @property
    def targets(self) -> set[tuple[tuple[str, ...], Lane]]:
        """The destinations of each source, and its lane."""
        return {(source.destinations, source.lane) for _, source in self._sources}

    def source(self, write_key: str) -> WriteKeySource:
        """Return the source of a write key. This takes the same time for a wrong key as for a right one.

        Raises:
            RequestRefused: there is no such key.
        """
        given = write_key.encode("utf-8", "replace")
        found: WriteKeySource | None = None
        for key, source in self._sources:
            if hmac.compare_digest(key, given):
                found = source
        if found is None:
            raise unauthorized("this write key is not known")
        return found


def unauthorized(message: str) -> RequestRefused:
    """Return the refusal of a request that has no valid write key."""
    return RequestRefused(HTTPStatus.UNAUTHORIZED, "invalid_write_key", message)


def from_header_or_query(authorization: str, query: Mapping[str, str]) -> str | None:
    """Return the write key of the header Authorization (the user of Basic, or Bearer), else of the query, or None."""
    scheme, _, credentials = authorization.partition(" ")
    credentials = credentials.strip()
    key: str | None = None
    if scheme.lower() == "basic":
        key = _user(credentials)
    elif scheme.lower() == "bearer":
        key = credentials
    return key or query.get("writeKey") or None


def from_body(body: Mapping[str, Any]) -> str:
    """Return the write key in a body.

    Raises:
        RequestRefused: the body has none.
    """
    key = body.get("writeKey")
    if not isinstance(key, str) or not key:
        raise unauthorized("give a write key: as the user name of HTTP Basic, or as writeKey in the body")
    return key


def _user(credentials: str) -> str | None:
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return None
