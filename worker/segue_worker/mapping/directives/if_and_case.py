"""`@if` and `@case`."""

from typing import Any

from segue_worker.errors import MappingError
from segue_worker.mapping.compiler import Compiler, Keep, Resolve, Scope, constant
from segue_worker.mapping.javascript import is_falsy, text
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED


def compile_if(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@if`: `then` where a value exists (or is not blank), otherwise `else`, which is ignored if it is falsy."""
    if not isinstance(value, dict):
        return compiler.fault('@if requires an object with an "exists" key')
    if is_falsy(value.get("exists", UNDEFINED)) and is_falsy(value.get("blank", UNDEFINED)):
        return compiler.fault('@if requires an "exists" key or a "blank" key')
    then = compiler.compile_at("then", value["then"], scope) if "then" in value else constant(UNDEFINED)
    otherwise = (
        constant(UNDEFINED)
        if is_falsy(value.get("else", UNDEFINED))
        else compiler.compile_at("else", value["else"], scope)
    )
    inner = Scope(Keep.EVERYWHERE, pure=scope.pure)
    if "exists" not in value:
        compiler.meter()
        return _if_blank(compiler.compile_at("blank", value["blank"], inner), then, otherwise)
    if _takes_what_it_asks_for(value) and scope.pure:
        return _if_exists_itself(then, otherwise)
    return _if_exists(compiler.compile_at("exists", value["exists"], inner), then, otherwise)


def _takes_what_it_asks_for(value: dict[str, Any]) -> bool:
    """Tell whether `then` is the same path that `exists` asks for, so that one lookup serves both."""
    exists = value["exists"]
    return (
        isinstance(exists, dict)
        and list(exists) == ["@path"]
        and isinstance(exists["@path"], str)
        and value.get("then") == exists
    )


def _if_exists(exists: Resolve, then: Resolve, otherwise: Resolve) -> Resolve:
    def run(data: Any, meter: Meter) -> Any:
        value = exists(data, meter)
        return otherwise(data, meter) if value is UNDEFINED or value is None else then(data, meter)

    return run


def _if_exists_itself(then: Resolve, otherwise: Resolve) -> Resolve:
    def run(data: Any, meter: Meter) -> Any:
        value = then(data, meter)
        return otherwise(data, meter) if value is UNDEFINED or value is None else value

    return run


def _if_blank(blank: Resolve, then: Resolve, otherwise: Resolve) -> Resolve:
    def run(data: Any, meter: Meter) -> Any:
        return otherwise(data, meter) if _is_blank(blank(data, meter), meter) else then(data, meter)

    return run


def _is_blank(value: Any, meter: Meter) -> bool:
    """Tell whether a value is missing or loosely equal (`==`) to the empty text."""
    if isinstance(value, dict):
        return False
    if isinstance(value, list):
        return text(value, meter) == ""
    return not value


def compile_case(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@case`: text in lower or upper case; other values stay as they are."""
    if not isinstance(value, dict):
        return compiler.fault('@case requires an object with a "operator" key')
    operator = value.get("operator", UNDEFINED)
    if is_falsy(operator):
        return compiler.fault('@case requires a "operator" key')
    if is_falsy(value.get("value", UNDEFINED)):
        return constant(UNDEFINED)
    resolve = compiler.compile_at("value", value["value"], scope)
    compiler.meter()

    def run(data: Any, meter: Meter) -> Any:
        found = resolve(data, meter)
        if not isinstance(found, str):
            return found
        meter.spend_text(len(found))
        if operator == "lower":
            return found.lower()
        if operator == "upper":
            return found.upper()
        raise MappingError(('operator key should have a value of "lower" or "upper"',))

    return run
