"""Mapping-kit's directives, each compiled into a closure (docs/segment.md#directives)."""

from collections.abc import Mapping
from typing import Final

from segue_worker.mapping.compiler import CompileDirective
from segue_worker.mapping.directives.if_and_case import compile_case, compile_if
from segue_worker.mapping.directives.json import compile_json
from segue_worker.mapping.directives.liquid import compile_liquid_directive
from segue_worker.mapping.directives.lookup import (
    compile_array_path,
    compile_literal,
    compile_path,
    compile_template_directive,
)
from segue_worker.mapping.directives.objects import (
    compile_exclude_when_null,
    compile_flatten,
    compile_merge,
    compile_transform,
)
from segue_worker.mapping.directives.replace import compile_replace

__all__ = ["DIRECTIVES"]

DIRECTIVES: Final[Mapping[str, CompileDirective]] = {
    "@arrayPath": compile_array_path,
    "@case": compile_case,
    "@excludeWhenNull": compile_exclude_when_null,
    "@flatten": compile_flatten,
    "@if": compile_if,
    "@json": compile_json,
    "@liquid": compile_liquid_directive,
    "@literal": compile_literal,
    "@merge": compile_merge,
    "@path": compile_path,
    "@replace": compile_replace,
    "@template": compile_template_directive,
    "@transform": compile_transform,
}
