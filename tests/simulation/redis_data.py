"""A small Redis in memory: the commands that Segue uses.

It is exact in what the scripts rely on: order of sorted sets, expiry by the server's own clock, which may step.
"""

import copy
import hashlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from tests.simulation.redis_lua import LUA, Status

OK: Final = Status(b"OK")


class Sorted(dict[bytes, float]):
    """A sorted set."""

    def ordered(self) -> list[tuple[bytes, float]]:
        return sorted(self.items(), key=lambda item: (item[1], item[0]))


class Stream(dict[tuple[int, int], list[bytes]]):
    """A stream: id → fields and values."""

    last: tuple[int, int] = (0, 0)


class Server:
    """The server.

    Args:
        clock: unix seconds of the server's own clock.

    Attributes:
        texts: of all scripts that were ever loaded, by their SHA-1.
        full: whether Redis has no memory left: what needs some is refused, but for the rest of a script that has written.
        on_push: is called with key and entries of each RPUSH.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.data: dict[bytes, Any] = {}
        self.expires: dict[bytes, int] = {}
        self.known_scripts: set[bytes] = set()
        self.texts: dict[bytes, bytes] = {}
        self.full = False
        self._script_wrote = False
        self.on_push: Callable[[bytes, tuple[bytes, ...]], None] = lambda _key, _values: None

    def snapshot(self) -> tuple[dict[bytes, Any], dict[bytes, int]]:
        """What an append-only file holds by now."""
        return copy.deepcopy(self.data), dict(self.expires)

    def restart(self, snapshot: tuple[dict[bytes, Any], dict[bytes, int]] | None = None) -> None:
        """Come back, with all data or with those of a snapshot; loaded scripts are gone."""
        if snapshot is not None:
            self.data, self.expires = copy.deepcopy(snapshot[0]), dict(snapshot[1])
        self.known_scripts.clear()

    def call(self, *args: bytes) -> Any:
        """Do one command. Raises ResponseError."""
        command = _COMMANDS.get(args[0].upper())
        if command is None:
            # A gap of this stand-in, which no code under test may take for an answer.
            raise NotImplementedError(f"command {args[0]!r}")
        if self.full and args[0].upper() in _NEEDS_MEMORY:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        return command(self, *args[1:])

    def _call_from_script(self, *args: bytes) -> Any:
        """Do one command of a script. Raises ResponseError."""
        if not self.full:
            return self.call(*args)
        name = args[0].upper()
        if name in _NEEDS_MEMORY and not self._script_wrote:
            raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
        self._script_wrote = self._script_wrote or name in _WRITES
        return _COMMANDS[name](self, *args[1:])

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _get(self, key: bytes) -> Any:
        until = self.expires.get(key)
        if until is not None and self.now_ms() >= until:
            del self.data[key], self.expires[key]
        return self.data.get(key)

    def _made(self, key: bytes, kind: Callable[[], Any]) -> Any:
        value = self._get(key)
        if value is None:
            value = self.data[key] = kind()
        return value

    def _drop_empty(self, key: bytes) -> None:
        if not self.data.get(key, True):
            self._delete(key)

    def _delete(self, key: bytes) -> int:
        known = self._get(key) is not None
        self.data.pop(key, None)
        self.expires.pop(key, None)
        return int(known)

    # Keys

    def ping(self) -> Any:
        return Status(b"PONG")

    def time(self) -> Any:
        micros = int(self._clock() * 1_000_000)
        return [b"%d" % (micros // 1_000_000), b"%d" % (micros % 1_000_000)]

    def exists(self, *keys: bytes) -> int:
        return sum(self._get(key) is not None for key in keys)

    def delete(self, *keys: bytes) -> int:
        return sum(self._delete(key) for key in keys)

    def pexpire(self, key: bytes, ms: bytes) -> int:
        if self._get(key) is None:
            return 0
        self.expires[key] = self.now_ms() + int(float(ms))
        if int(float(ms)) <= 0:
            self._delete(key)
        return 1

    def expire(self, key: bytes, seconds: bytes) -> int:
        return self.pexpire(key, b"%d" % (int(seconds) * 1000))

    def persist(self, key: bytes) -> int:
        return int(self._get(key) is not None and self.expires.pop(key, None) is not None)

    def pttl(self, key: bytes) -> int:
        if self._get(key) is None:
            return -2
        return self.expires[key] - self.now_ms() if key in self.expires else -1

    def type(self, key: bytes) -> Status:
        kinds: dict[type, bytes] = {bytes: b"string", list: b"list", dict: b"hash", Sorted: b"zset", Stream: b"stream"}
        value = self._get(key)
        return Status(b"none" if value is None else kinds[value.__class__])

    def rename(self, key: bytes, name: bytes) -> Status:
        value = self._get(key)
        if value is None:
            raise ResponseError("ERR no such key")
        self._delete(name)
        self.data[name] = self.data.pop(key)
        if key in self.expires:
            self.expires[name] = self.expires.pop(key)
        return OK

    def scan(self, _cursor: bytes, *options: bytes) -> list[Any]:
        pattern = options[options.index(b"MATCH") + 1]
        return [b"0", [key for key in self.scan_keys() if fnmatchcase(key, pattern)]]

    def scan_keys(self) -> list[bytes]:
        return [key for key in list(self.data) if self._get(key) is not None]

    # Strings

    def get(self, key: bytes) -> Any:
        return self._get(key)

    def set(self, key: bytes, value: bytes, *options: bytes) -> Any:
        words = [option.upper() for option in options]
        known = self._get(key) is not None
        if (b"NX" in words and known) or (b"XX" in words and not known):
            return None
        self.data[key] = value
        self.expires.pop(key, None)
        for word, factor in ((b"PX", 1), (b"EX", 1000)):
            if word in words:
                self.expires[key] = self.now_ms() + int(float(options[words.index(word) + 1])) * factor
        return OK

    def incrby(self, key: bytes, by: bytes) -> int:
        value = int(self._get(key) or 0) + int(by)
        self.data[key] = b"%d" % value
        return value

    def decrby(self, key: bytes, by: bytes) -> int:
        return self.incrby(key, b"%d" % -int(by))

    # Lists

    def rpush(self, key: bytes, *values: bytes) -> int:
        items = self._made(key, list)
        items.extend(values)
        self.on_push(key, values)
        return len(items)

    def rpop(self, key: bytes) -> Any:
        items = self._get(key)
        if not items:
            return None
        last = items.pop()
        self._drop_empty(key)
        return last

    def llen(self, key: bytes) -> int:
        return len(self._get(key) or ())

    def lrange(self, key: bytes, first: bytes, last: bytes) -> list[bytes]:
        items = self._get(key) or []
        return list(items[_slice(int(first), int(last), len(items))])

    def ltrim(self, key: bytes, first: bytes, last: bytes) -> Status:
        items = self._get(key)
        if items is not None:
            items[:] = items[_slice(int(first), int(last), len(items))]
            self._drop_empty(key)
        return OK

    def lset(self, key: bytes, place: bytes, value: bytes) -> Status:
        items = self._get(key)
        if items is None or not -len(items) <= int(place) < len(items):
            raise ResponseError("ERR index out of range" if items else "ERR no such key")
        items[int(place)] = value
        return OK

    def lindex(self, key: bytes, place: bytes) -> Any:
        items = self._get(key) or []
        return items[int(place)] if -len(items) <= int(place) < len(items) else None

    # Hashes

    def hset(self, key: bytes, *pairs: bytes) -> int:
        fields = self._made(key, dict)
        before = len(fields)
        fields.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(fields) - before

    def hsetnx(self, key: bytes, field: bytes, value: bytes) -> int:
        return 0 if self.hexists(key, field) else self.hset(key, field, value)

    def hget(self, key: bytes, field: bytes) -> Any:
        return (self._get(key) or {}).get(field)

    def hmget(self, key: bytes, *fields: bytes) -> list[Any]:
        known = self._get(key) or {}
        return [known.get(field) for field in fields]

    def hgetall(self, key: bytes) -> list[bytes]:
        return [part for pair in (self._get(key) or {}).items() for part in pair]

    def hkeys(self, key: bytes) -> list[bytes]:
        return list(self._get(key) or ())

    def hvals(self, key: bytes) -> list[bytes]:
        return list((self._get(key) or {}).values())

    def hexists(self, key: bytes, field: bytes) -> int:
        return int(field in (self._get(key) or ()))

    def hlen(self, key: bytes) -> int:
        return len(self._get(key) or ())

    def hdel(self, key: bytes, *fields: bytes) -> int:
        known = self._get(key) or {}
        gone = sum(known.pop(field, None) is not None for field in fields)
        self._drop_empty(key)
        return gone

    def hincrby(self, key: bytes, field: bytes, by: bytes) -> int:
        fields = self._made(key, dict)
        value = int(fields.get(field, 0)) + int(by)
        fields[field] = b"%d" % value
        return value

    def hscan(self, key: bytes, _cursor: bytes, *_options: bytes) -> list[Any]:
        return [b"0", self.hgetall(key)]

    # Sorted sets

    def zadd(self, key: bytes, *args: bytes) -> int:
        words, rest = set(), list(args)
        while rest and rest[0].upper() in {b"NX", b"XX", b"GT", b"LT", b"CH"}:
            words.add(rest.pop(0).upper())
        members = self._get(key)
        if members is None:
            if b"XX" in words:
                return 0
            members = self._made(key, Sorted)
        added = changed = 0
        for text, member in zip(rest[::2], rest[1::2], strict=True):
            score, known = float(text), members.get(member)
            if known is None:
                if b"XX" not in words:
                    members[member] = score
                    added += 1
            elif b"NX" not in words and not (
                (b"GT" in words and score <= known) or (b"LT" in words and score >= known)
            ):
                changed += known != score
                members[member] = score
        self._drop_empty(key)
        return added + changed if b"CH" in words else added

    def zrem(self, key: bytes, *members: bytes) -> int:
        known = self._get(key) or {}
        gone = sum(known.pop(member, None) is not None for member in members)
        self._drop_empty(key)
        return gone

    def zscore(self, key: bytes, member: bytes) -> Any:
        score = (self._get(key) or {}).get(member)
        return None if score is None else _number(score)

    def zmscore(self, key: bytes, *members: bytes) -> list[Any]:
        return [self.zscore(key, member) for member in members]

    def zcard(self, key: bytes) -> int:
        return len(self._get(key) or ())

    def zcount(self, key: bytes, low: bytes, high: bytes) -> int:
        inside = _between(low, high)
        return sum(inside(score) for score in (self._get(key) or {}).values())

    def zrange(self, key: bytes, first: bytes, last: bytes, *options: bytes) -> list[bytes]:
        members = self._get(key)
        ordered = members.ordered() if members else []
        if any(option.upper() == b"REV" for option in options):
            ordered.reverse()
        return _scored(ordered[_slice(int(first), int(last), len(ordered))], options)

    def zrangebyscore(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[bytes]:
        inside = _between(low, high)
        members = self._get(key)
        found = [(score, member) for member, score in members.items() if inside(score)] if members else []
        found.sort()
        words = [option.upper() for option in options]
        if b"LIMIT" in words:
            place = words.index(b"LIMIT")
            start, count = int(options[place + 1]), int(float(options[place + 2]))
            found = found[start:] if count < 0 else found[start : start + count]
        return _scored([(member, score) for score, member in found], options)

    def zscan(self, key: bytes, _cursor: bytes, *_options: bytes) -> list[Any]:
        members = self._get(key)
        return [b"0", _scored(members.ordered(), (b"WITHSCORES",)) if members else []]

    def zremrangebyrank(self, key: bytes, first: bytes, last: bytes) -> int:
        return self.zrem(key, *self.zrange(key, first, last))

    def zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> int:
        return self.zrem(key, *self.zrangebyscore(key, low, high))

    # Streams

    def xadd(self, key: bytes, *args: bytes) -> bytes:
        rest = list(args)
        while rest[0].upper() in {b"MAXLEN", b"MINID", b"~", b"=", b"NOMKSTREAM"} or (
            rest[0].isdigit() and b"*" in rest
        ):
            rest.pop(0)
        stream = self._made(key, Stream)
        ms = max(self.now_ms(), stream.last[0])
        stream.last = (ms, stream.last[1] + 1 if ms == stream.last[0] else 0)
        stream[stream.last] = rest[1:]
        return b"%d-%d" % stream.last

    def xlen(self, key: bytes) -> int:
        return len(self._get(key) or ())

    def xdel(self, key: bytes, *ids: bytes) -> int:
        stream = self._get(key) or {}
        return sum(stream.pop(_stream_id(each), None) is not None for each in ids)

    def xrange(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[Any]:
        return self._entries(key, low, high, options, reverse=False)

    def xrevrange(self, key: bytes, high: bytes, low: bytes, *options: bytes) -> list[Any]:
        return self._entries(key, low, high, options, reverse=True)

    def _entries(self, key: bytes, low: bytes, high: bytes, options: tuple[bytes, ...], *, reverse: bool) -> list[Any]:
        least, most = _stream_edge(low, (0, -1)), _stream_edge(high, (1 << 62, 1 << 62))
        found = [
            [b"%d-%d" % each, fields]
            for each, fields in (self._get(key) or {}).items()
            if (each > least if low.startswith(b"(") else each >= least)
            and (each < most if high.startswith(b"(") else each <= most)
        ]
        if reverse:
            found.reverse()
        return found[: int(options[1])] if options else found

    # Scripts

    def script(self, word: bytes, *texts: bytes) -> Any:
        if word.upper() == b"LOAD":
            sha = hashlib.sha1(texts[0]).hexdigest().encode()  # noqa: S324 - what Redis calls a script by
            self.texts[sha] = texts[0]
            self.known_scripts.add(sha)
            return sha
        if word.upper() == b"EXISTS":
            return [int(text in self.known_scripts) for text in texts]
        raise ResponseError(f"unknown subcommand {word!r}")

    def eval(self, text: bytes, count: bytes, *args: bytes) -> Any:
        return self.evalsha(self.script(b"LOAD", text), count, *args)

    def evalsha(self, sha: bytes, count: bytes, *args: bytes) -> Any:
        if sha not in self.known_scripts:
            raise NoScriptError("No matching script")
        self._script_wrote = False
        return LUA.run(self._call_from_script, self.texts[sha], args[: int(count)], args[int(count) :])


_COMMANDS: Final[dict[bytes, Callable[..., Any]]] = {
    name.upper().encode(): function
    for name, function in vars(Server).items()
    if not name.startswith("_") and callable(function)
} | {b"DEL": Server.delete, b"UNLINK": Server.delete}


_NEEDS_MEMORY: Final = frozenset(b"SET INCRBY DECRBY RPUSH LSET HSET HSETNX HINCRBY ZADD XADD".split())
_WRITES: Final = _NEEDS_MEMORY | frozenset(
    b"DEL UNLINK RENAME RPOP EXPIRE PEXPIRE PERSIST LTRIM HDEL ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE XDEL".split()
)


def _slice(first: int, last: int, length: int) -> slice:
    first = first if first >= 0 else max(0, length + first)
    last = last if last >= 0 else length + last
    return slice(first, last + 1)


def _number(value: float) -> bytes:
    return b"%d" % value if value == int(value) else repr(value).encode()


def _between(low: bytes, high: bytes) -> Callable[[float], bool]:
    least, most = float(low.lstrip(b"(")), float(high.lstrip(b"("))
    if low.startswith(b"("):
        return lambda score: least < score <= most
    if high.startswith(b"("):
        return lambda score: least <= score < most
    return lambda score: least <= score <= most


def _scored(found: list[tuple[bytes, float]], options: tuple[bytes, ...]) -> list[bytes]:
    if any(option.upper() == b"WITHSCORES" for option in options):
        return [part for member, score in found for part in (member, _number(score))]
    return [member for member, _ in found]


def _stream_id(text: bytes) -> tuple[int, int]:
    ms, _, number = text.partition(b"-")
    return int(ms), int(number or 0)


def _stream_edge(text: bytes, open_end: tuple[int, int]) -> tuple[int, int]:
    text = text.removeprefix(b"(")
    return open_end if text in {b"-", b"+"} else _stream_id(text)
