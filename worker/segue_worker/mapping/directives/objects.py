"""`@flatten`, `@merge`, `@transform` and `@excludeWhenNull`, which make objects from objects."""

from typing import Any

from segue_worker.errors import MappingError
from segue_worker.mapping.compiler import Compiler, Keep, Resolve, Scope, charge_size, failing
from segue_worker.mapping.javascript import is_falsy, own_entries, type_name, utf16_units
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED
from segue_worker.mapping.validate import validated


def compile_flatten(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@flatten`: makes an object with a single level, whose keys are joined by a separator."""
    if not isinstance(value, dict):
        return compiler.fault('@flatten requires an object with a "separator" key')
    if is_falsy(value.get("separator", UNDEFINED)):
        return compiler.fault('@flatten requires a "separator" key')
    compiler.meter()
    inner = Scope(Keep.EVERYWHERE, pure=scope.pure)
    separator = compiler.compile_at("separator", value["separator"], inner)
    resolve = compiler.compile_at("value", value.get("value", UNDEFINED), inner)
    arrays = is_falsy(value.get("omitArrays", UNDEFINED))

    def run(data: Any, meter: Meter) -> dict[str, Any]:
        between = separator(data, meter)
        if not isinstance(between, str):
            raise MappingError(("@flatten requires a string separator",))
        result: dict[str, Any] = {}
        _flatten(resolve(data, meter), "", between, result, meter, arrays=arrays)
        return result

    return compiler.finish(run, scope)


def _flatten(  # noqa: PLR0913 - the state of one recursive walk
    value: Any, prefix: str, separator: str, result: dict[str, Any], meter: Meter, *, arrays: bool, depth: int = 0
) -> None:
    if not isinstance(value, (dict, list)) or (isinstance(value, list) and not arrays):
        result[prefix] = value
        return
    meter.descend(depth)
    entries = own_entries(value) if isinstance(value, dict) else ((str(at), item) for at, item in enumerate(value))
    for key, item in entries:
        below = f"{prefix}{separator}{key}" if prefix else key
        meter.spend_text(len(below))
        _flatten(item, below, separator, result, meter, arrays=arrays, depth=depth + 1)


def compile_merge(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@merge`: merges objects one level deep. The later ones win, or with direction `left` the earlier ones."""
    if not isinstance(value, dict):
        return compiler.fault('@merge requires an object with an "objects" key and a "direction" key')
    if is_falsy(value.get("direction", UNDEFINED)):
        return compiler.fault('@merge requires a "direction" key')
    objects = value.get("objects", UNDEFINED)
    if is_falsy(objects):
        return compiler.fault('@merge requires a "objects" key')
    if not isinstance(objects, list):
        return compiler.fault(f"@merge: expected opts.array, got {type_name(objects)}")
    compiler.meter()
    inner = Scope(Keep.EVERYWHERE, pure=scope.pure)
    direction = compiler.compile_at("direction", value["direction"], inner)
    members = tuple(compiler.compile_at(str(index), item, inner) for index, item in enumerate(objects))

    def run(data: Any, meter: Meter) -> dict[str, Any]:
        backwards = direction(data, meter) == "left"
        resolved = [resolve(data, meter) for resolve in members]
        result: dict[str, Any] = {}
        for member in reversed(resolved) if backwards else resolved:
            _assign(result, member, meter)
        return result

    return compiler.finish(run, scope)


def _assign(result: dict[str, Any], member: Any, meter: Meter) -> None:
    """Copy what JavaScript counts as own keys: those of an object, and the indexes of a list or of a text's units."""
    if isinstance(member, dict):
        meter.spend(len(member))
        result.update(own_entries(member))
    elif isinstance(member, (list, str)):
        meter.spend(len(member))
        result.update(
            (str(at), item) for at, item in enumerate(utf16_units(member) if isinstance(member, str) else member)
        )


def compile_transform(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@transform`: applies a mapping to the result of another."""
    if not isinstance(value, dict):
        return compiler.fault('@transform requires an object with an "apply" key and a "mapping" key')
    for key in ("mapping", "apply"):
        if is_falsy(value.get(key, UNDEFINED)):
            return compiler.fault(f'@transform requires a "{key}" key')
    if not isinstance(value["apply"], dict):
        return compiler.fault('@transform "apply" key should be an object')
    compiler.meter(grows=True)
    apply = _compile_apply(value["apply"], compiler, Scope(Keep.IN_LISTS, pure=scope.pure))
    resolve = compiler.compile_at("mapping", value["mapping"], Scope(scope.keep, pure=False))

    def run(data: Any, meter: Meter) -> Any:
        applied = apply(data, meter)
        # The result may be used many times below. Charged here, it cannot double from one transform to the next.
        charge_size(applied, meter)
        return resolve(applied, meter)

    return run


def _compile_apply(mapping: dict[str, Any], compiler: Compiler, scope: Scope) -> Resolve:
    """Compile the mapping to apply. Segment checks it only when it is reached, so its faults are raised then."""
    try:
        checked = validated(mapping)
    except MappingError as error:
        compiler.faults.extend(error.problems)
        return failing(error.problems)
    return compiler.compile_root(checked, scope)


def compile_exclude_when_null(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@excludeWhenNull`: returns nothing for null, and objects without their null members at every level."""
    compiler.meter()
    resolve = compiler.compile(value, Scope(Keep.EVERYWHERE, pure=scope.pure))

    def run(data: Any, meter: Meter) -> Any:
        found = resolve(data, meter)
        return UNDEFINED if found is None else _without_nulls(found, meter, 0)

    return compiler.finish(run, scope)


def _without_nulls(value: Any, meter: Meter, depth: int) -> Any:
    """Make null members undefined. They are not removed, as an undefined member still hides others in `@merge`."""
    if not isinstance(value, dict):
        return value
    meter.descend(depth)
    meter.spend(len(value))
    return {key: UNDEFINED if item is None else _without_nulls(item, meter, depth + 1) for key, item in value.items()}
