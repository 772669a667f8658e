"""Notes what requests hold: names of properties, lists and events, with the JSON types of their values, and no values.

A delivery only counts shapes of bodies, which costs a microsecond. Now and then they are taken apart into keys, and written.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer.keys import Keys
from segue_producer.lua import read_script
from segue_worker.mapping import Request
from segue_worker.mapping.loops_dates import is_documented
from segue_worker.mapping.values import Repair
from segue_worker.schema.known import Known

SENT_SCRIPT: Final = read_script("segue_worker/schema/sent")
KEYS_MOST: Final = 2000
FULL: Final = "!"
"""Among the keys where there were more than that."""
KEPT_MINUTES: Final = 30 * 24 * 60
"""A key that was not sent for so long is forgotten."""
WRITTEN_EVERY_MS: Final = 60_000
"""How often counts are written; a new key or type is written at once."""
_SHAPES_MOST: Final = 200
NO_PROPERTIES: Final = frozenset({"mailingLists", "eventName", "eventProperties"})
"""Keys of a body that are not names of contact properties, wherever they come from."""
_LONG: Final = 64
_LONG_IN_EVENT: Final = 32
_LEAST_MS: Final = 1e11
"""Below it a number is hardly a date in milliseconds (docs/loops.md#properties)."""

KeyKind = Literal["property", "list", "event"]
_LETTERS: Final[dict[KeyKind, str]] = {"property": "p", "list": "l", "event": "e"}


class SentKey(NamedTuple):
    """What is kept of a name.

    Attributes:
        types: letters: `s` text, `d` a date as text, `n` number, `m` one that may be milliseconds, `b` boolean.
        minute: since 1970, of the last time.
        times: how many events had it.
        mapping: digest of the name of the last mapping that sent it (`mapping_digest`).
    """

    types: str
    minute: int
    times: int
    mapping: str


def mapping_digest(name: str) -> str:
    """The four hexadecimal digits that stand for a mapping."""
    return blake2b(name.encode("utf-8", "replace"), digest_size=2).hexdigest()


def key_of(kind: KeyKind, name: str, within: str = "") -> str:
    """The key of a property, list or event; of an event's property `within` which. Long names are shortened, alike each time."""
    return inside(within) + _short(name, _LONG_IN_EVENT) if within else _LETTERS[kind] + _short(name, _LONG)


def inside(event: str) -> str:
    """How the keys of an event's properties begin."""
    return f"e{_short(_short(event, _LONG), _LONG_IN_EVENT)}\n"


def _short(name: str, most: int) -> str:
    raw = name.encode("utf-8", "replace")
    if "@" in name and not name.startswith("…@…"):
        # A mapping may make names of what people are called.
        return f"…@…{blake2b(raw, digest_size=3).hexdigest()}"
    if len(raw) <= most:
        return raw.decode().replace("\n", " ")
    return f"{raw[: most - 10].decode(errors='ignore')}…{blake2b(raw, digest_size=3).hexdigest()}".replace("\n", " ")


def type_of(value: Any) -> str:
    """The letter of a value's type, as `SentKey` has them; "" for null."""
    if isinstance(value, str):
        return (
            "d" if is_documented(value) or (value.isascii() and value.isdigit() and float(value) >= _LEAST_MS) else "s"
        )
    if isinstance(value, bool):
        return "b"
    return ("m" if abs(value) >= _LEAST_MS else "n") if isinstance(value, int | float) else ""


class SentKeys:
    """What one process sends to a destination, until it is written."""

    def __init__(self) -> None:
        self.hear(Known())
        self._shapes: dict[tuple[Any, ...], tuple[list[int], Request]] = {}
        self._noted: dict[str, list[Any]] = {}
        self._written: dict[str, str] = {}
        self._wanted_at = 0
        self._fresh = False
        self._full = False

    def hear(self, known: Known) -> None:
        """Take in what Loops knows."""
        self._known = known
        self._fine = known.properties.keys() | NO_PROPERTIES

    def note(self, request: Request) -> None:
        """Count a request, as it was before it was merged."""
        body = request.body
        shape: tuple[Any, ...] = (request.mapping, *body, *map(type, body.values()))
        for name in ("eventProperties", "mailingLists"):
            inner = body.get(name)
            if inner.__class__ is dict and inner:
                shape += (*inner, *map(type, inner.values()))
        if request.action == "sendEvent":
            shape += (str(body.get("eventName")),)
        found = self._shapes.get(shape)
        if found:
            found[0][0] += 1
            return
        self._shapes[shape] = [1], request
        if len(self._shapes) >= _SHAPES_MOST:
            self._take_apart()

    def unknown_in(self, request: Request) -> tuple[Repair, ...]:
        """What of a request Loops does not know, as far as it was asked."""
        known, body = self._known, request.body
        if not known.at:
            return ()
        unknown = set() if body.keys() <= self._fine else body.keys() - self._fine
        lists, properties = body.get("mailingLists"), body.get("eventProperties")
        if lists.__class__ is dict and lists:
            unknown |= {f"mailingLists.{name}" for name in lists.keys() - known.lists.keys()}
        defined = known.events.get(str(body.get("eventName"))) if properties else None
        if defined is not None and isinstance(properties, dict) and not properties.keys() <= defined.keys():
            unknown |= {f"eventProperties.{name}" for name in properties.keys() - defined.keys()}
        return tuple(Repair(_short(name, _LONG), "unknown") for name in sorted(unknown)) if unknown else ()

    async def write(self, redis: "AsyncRedis", destination: str, now_ms: int, *, at_once: bool = False) -> list[str]:
        """Write what was noted, where it is time. Returns the keys that nobody had noted before.

        Raises:
            redis.RedisError: Redis does not answer; it is written the next time.
        """
        self._take_apart()
        if not self._noted or not (self._fresh or at_once or now_ms >= self._wanted_at):
            return []
        noted = dict(self._noted)
        args: list[Any] = [KEYS_MOST, now_ms // 60_000, KEPT_MINUTES, orjson.dumps(noted)]
        answer: Any = await redis.register_script(SENT_SCRIPT)(keys=[Keys(destination).sent], args=args)
        added, refused = ([key.decode() for key in keys] for keys in answer)
        for key in noted.keys() - set(refused):
            self._written[key] = self._written.get(key, "") + noted[key][0]
        self._full = bool(refused)
        self._noted, self._fresh, self._wanted_at = {}, False, now_ms + WRITTEN_EVERY_MS
        return added

    def _take_apart(self) -> None:
        shapes, self._shapes = self._shapes, {}
        for (count,), request in shapes.values():
            mapping = mapping_digest(request.mapping)
            for key, type_ in _keys_in(request.body):
                entry = self._noted.get(key)
                if entry is None:
                    # Where Redis takes no more, only what it has is counted.
                    if len(self._noted) > KEYS_MOST or (self._full and key not in self._written):
                        continue
                    entry = self._noted[key] = ["", 0, mapping]
                if type_ not in entry[0]:
                    entry[0] += type_
                self._fresh |= type_ not in self._written.get(key, "") or key not in self._written
                entry[1] += count


def _keys_in(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    event, lists = body.get("eventName"), body.get("mailingLists")
    yield from ((key_of("property", key), type_of(each)) for key, each in body.items() if key not in NO_PROPERTIES)
    if isinstance(lists, dict):
        yield from ((key_of("list", key), type_of(each)) for key, each in lists.items())
    if isinstance(event, str) and event:
        yield key_of("event", event), ""
        properties = body.get("eventProperties")
        if isinstance(properties, dict):
            yield from ((key_of("event", key, event), type_of(each)) for key, each in properties.items())


def sent_from(raw: bytes | None) -> dict[str, SentKey]:
    """What was sent, as it lies in Redis; nothing where another version wrote it."""
    try:
        return {key: SentKey(*entry) for key, entry in orjson.loads(raw or b"{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def read_sent(redis: "Redis", destination: str) -> dict[str, SentKey]:
    """What was sent to a destination. Raises redis.RedisError where Redis does not answer."""
    raw: Any = redis.get(Keys(destination).sent)
    return sent_from(raw)
