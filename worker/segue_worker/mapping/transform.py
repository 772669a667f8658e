"""Compiles a whole mapping into one function of the event."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping.compiler import Compiler, Resolve, Scope, charge_size
from segue_worker.mapping.directives import DIRECTIVES
from segue_worker.mapping.json_check import check_json
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED
from segue_worker.mapping.validate import validated

Transform = Callable[..., Any]
"""Takes an event (`{}` when left out) and returns the mapping's result, or `UNDEFINED`."""

_UNUSED: Final = Meter()


def compile_mapping(mapping: Mapping[str, Any]) -> Transform:
    """Compile mapping-kit's `transform` for one mapping.

    The function it returns takes a payload (a JSON object, `{}` when left out) and returns the value that Segment
    would make of it, or `UNDEFINED`; undefined list elements become null. It never changes the payload, but may return
    parts of it, so treat the result as read-only. It raises `MappingError` where Segment fails, and when a limit of
    `segue_worker.mapping.limits` is exceeded.

    Raises:
        MappingError: Segment would not accept `mapping`, or it is larger than a mapping may be.
    """
    transform, _ = compile_with_faults(mapping)
    return transform


def compile_with_faults(mapping: Mapping[str, Any]) -> tuple[Transform, tuple[str, ...]]:
    """Compile a mapping as `compile_mapping` does, and also say where it is certain to fail.

    Returns:
        The function; and the faults that Segment accepts and runs into when an event reaches them, each as
        `/path problem.`
    """
    check_json(mapping)
    compiler = Compiler(DIRECTIVES)
    resolve = compiler.compile_root(validated(dict(mapping)), Scope())
    return _entry(resolve, metered=compiler.metered, grows=compiler.grows), tuple(compiler.faults)


def _entry(resolve: Resolve, *, metered: bool, grows: bool) -> Transform:
    if not metered and not grows:
        return lambda payload=UNDEFINED: resolve(payload, _UNUSED)

    def transform(payload: Any = UNDEFINED) -> Any:
        meter = Meter()
        result = resolve(payload, meter)
        if grows:
            charge_size(result, meter)
        return result

    return transform
