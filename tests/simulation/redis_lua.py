"""Redis's Lua: numbers and texts as Redis has them between a script and its commands, and what cjson keeps of a float."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from lupa.lua51 import LuaError, LuaRuntime, lua_type
from redis.exceptions import ResponseError


class Status(bytes):
    """A status reply, as OK."""


class Lua:
    """Redis's Lua, with scripts compiled once."""

    def __init__(self) -> None:
        self._lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._compiled: dict[bytes, Any] = {}
        self._do: Callable[..., Any] = lambda *_args: None
        make = self._lua.eval(
            b"""
            function(call, decode, encode)
              local function checked(fails, ...)
                local answer = call(...)
                if type(answer) == 'table' and answer.err and fails then error(answer.err, 0) end
                return answer
              end
              redis = {
                call = function(...) return checked(true, ...) end,
                pcall = function(...) return checked(false, ...) end,
                error_reply = function(text) return {err = text} end,
                status_reply = function(text) return {ok = text} end,
                sha1hex = nil, log = function() end, LOG_WARNING = 3,
              }
              cjson = {decode = decode, encode = encode}
              return function(text)
                return assert(loadstring('local KEYS, ARGV = ...; ' .. text))
              end
            end
            """
        )
        self._compile = make(self._call, self._decode, self._encode)

    def run(self, do: Callable[..., Any], text: bytes, keys: Sequence[bytes], args: Sequence[bytes]) -> Any:
        """Run a script.

        Args:
            do: does a command that the script calls for, or raises ResponseError.
            text: the script.
            keys: KEYS.
            args: ARGV.

        Raises:
            ResponseError: it failed; what it did until then is done.
        """
        compiled = self._compiled.get(text)
        if compiled is None:
            compiled = self._compiled[text] = self._compile(text)
        self._do = do
        try:
            answer = compiled(self._lua.table_from(keys), self._lua.table_from(args))
        except LuaError as error:
            raise ResponseError(f"ERR {error}") from None
        return self._reply(answer)

    def _call(self, name: bytes, *args: Any) -> Any:
        try:
            answer = self._do(name, *map(_argument, args))
        except ResponseError as error:
            return self._lua.table_from({b"err": str(error).encode()})
        return self._value(answer)

    def _value(self, answer: Any) -> Any:
        """A reply as Lua sees it."""
        if answer is None:
            return False
        if isinstance(answer, Status):
            return self._lua.table_from({b"ok": bytes(answer)})
        if isinstance(answer, list):
            return self._lua.table_from([self._value(item) for item in answer])
        return answer

    def _reply(self, value: Any) -> Any:
        """What Lua returns, as a reply."""
        if value is None or value is False:
            return None
        if value is True:
            return 1
        if isinstance(value, float):
            return int(value)
        if lua_type(value) == "table":
            if (text := value[b"ok"]) is not None:
                return Status(text)
            if (text := value[b"err"]) is not None:
                raise ResponseError(text.decode())
            items, place = [], 1
            while (item := value[place]) is not None:
                items.append(self._reply(item))
                place += 1
            return items
        return value

    def _decode(self, text: bytes) -> Any:
        return self._table(json.loads(text))

    def _table(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._lua.table_from({name.encode(): self._table(item) for name, item in value.items()})
        if isinstance(value, list):
            return self._lua.table_from([self._table(item) for item in value])
        return value.encode() if isinstance(value, str) else value

    def _encode(self, value: Any) -> bytes:
        return _json(value).encode()


def _json(value: Any) -> str:
    """As cjson writes it: fourteen digits of a number, and an empty table as an object."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:.14g}"
    if isinstance(value, bytes):
        return json.dumps(value.decode())
    fields = dict(value.items())
    if fields and all(isinstance(name, int | float) for name in fields):
        return "[" + ",".join(_json(fields[place]) for place in sorted(fields)) + "]"
    return "{" + ",".join(f"{json.dumps(name.decode())}:{_json(item)}" for name, item in fields.items()) + "}"


def _argument(value: Any) -> bytes:
    """An argument of redis.call: text as it is, numbers as Redis writes them."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ResponseError("Lua redis lib command arguments must be strings or integers")
    return b"%d" % value if value == int(value) else b"%.17g" % value


LUA: Final = Lua()
