"""`@path`, `@template`, `@literal` and `@arrayPath`: values taken from the data."""

from collections.abc import Callable
from typing import Any

from segue_worker.errors import MappingError
from segue_worker.mapping.compiler import Compiler, Keep, Resolve, Scope
from segue_worker.mapping.javascript import type_name
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.path import compile_lookup, look_up, without_root
from segue_worker.mapping.template import compile_template, render
from segue_worker.mapping.undefined import UNDEFINED


def compile_path(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@path`: returns what the data has at a path."""
    if isinstance(value, str):
        resolve: Resolve = compile_lookup(without_root(value))
    else:
        resolve = _on_text("@path", value, compiler, scope, lambda path, data, _: look_up(data, without_root(path)))
    return resolve if scope.pure else compiler.finish(resolve, scope)


def compile_template_directive(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@template`: fills the placeholders of a text."""
    compiler.meter()
    return compile_template(value) if isinstance(value, str) else _on_text("@template", value, compiler, scope, render)


def _on_text(name: str, value: Any, compiler: Compiler, scope: Scope, use: Callable[[str, Any, Meter], Any]) -> Resolve:
    """Compile a directive whose text is given by another directive."""
    if not isinstance(value, (dict, list)):
        return compiler.fault(f"{name}: expected string, got {type_name(value)}")
    compiler.meter()
    resolve = compiler.compile(value, Scope(Keep.EVERYWHERE, pure=scope.pure))

    def run(data: Any, meter: Meter) -> Any:
        text = resolve(data, meter)
        if not isinstance(text, str):
            raise MappingError((f"{name}: expected string, got {type_name(text)}",))
        meter.spend_text(len(text))
        return use(text, data, meter)

    return run


def compile_literal(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@literal`: returns its value, in which directives are resolved all the same."""
    return compiler.compile(value, scope)


def compile_array_path(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@arrayPath`: puts each element of a list into a shape, whose paths begin at that element."""
    if not isinstance(value, list):
        return compiler.fault(f"@arrayPath expected array, got {type_name(value)}")
    path = value[0] if value else UNDEFINED
    shape = value[1] if len(value) > 1 else UNDEFINED
    pure = scope.pure and isinstance(path, str)
    root = (
        compile_lookup(without_root(path))
        if isinstance(path, str)
        else compiler.compile_at("0", path, Scope(Keep.EVERYWHERE, pure=scope.pure))
    )
    unshaped = root if pure else compiler.finish(root, scope)
    if not isinstance(shape, dict) or not shape:
        return unshaped
    compiler.meter()
    before = compiler.directives
    resolve = compiler.compile_at("1", shape, Scope(scope.keep, pure=pure))
    cost = 1 + compiler.directives - before
    nulls = scope.keep is Keep.NOWHERE

    def run(data: Any, meter: Meter) -> Any:
        found = root(data, meter)
        if not isinstance(found, (dict, list)):
            return found
        items = found if isinstance(found, list) else [found]
        meter.spend(cost * len(items))
        results = [resolve(item, meter) for item in items]
        return [None if item is UNDEFINED else item for item in results] if nulls else results

    return run
