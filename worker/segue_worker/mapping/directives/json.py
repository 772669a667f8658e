"""`@json`: turns values into JSON text and back."""

from typing import Any

from segue_worker.errors import MappingError
from segue_worker.mapping import json_text
from segue_worker.mapping.compiler import Compiler, Keep, Resolve, Scope, charge_size
from segue_worker.mapping.javascript import is_falsy
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED


def compile_json(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@json`: encodes a value as compact JSON text, or decodes a text if it is JSON."""
    if not isinstance(value, dict):
        return compiler.fault('@json requires an object with a "value" key')
    for key in ("mode", "value"):
        if is_falsy(value.get(key, UNDEFINED)):
            return compiler.fault(f'@json requires a "{key}" key')
    compiler.meter()
    resolve = compiler.compile_at("value", value["value"], Scope(Keep.EVERYWHERE, pure=scope.pure))
    match value["mode"]:
        case "encode":
            return lambda data, meter: _encode(resolve(data, meter), meter)
        case "decode":
            return compiler.finish(lambda data, meter: _decode(resolve(data, meter), meter), scope)
    return _only_resolving(resolve)


def _only_resolving(resolve: Resolve) -> Resolve:
    """Resolve the value, which may fail, and return nothing, as Segment does for modes in any other spelling."""

    def run(data: Any, meter: Meter) -> Any:
        resolve(data, meter)
        return UNDEFINED

    return run


def _encode(value: Any, meter: Meter) -> Any:
    if value is UNDEFINED:
        return UNDEFINED
    charge_size(value, meter)
    return json_text.encode(value)


def _decode(value: Any, meter: Meter) -> Any:
    if not isinstance(value, str):
        return value
    meter.spend_text(len(value))
    try:
        return json_text.decode(value)
    except ValueError:
        return value
    except RecursionError:
        raise MappingError(("@json: the text is nested too deep to decode.",)) from None
