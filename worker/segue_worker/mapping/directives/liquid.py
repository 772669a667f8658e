"""`@liquid`: renders a Liquid template."""

from typing import Any, Final

from segue_worker.errors import MappingError
from segue_worker.mapping.compiler import Compiler, Resolve, Scope, constant
from segue_worker.mapping.javascript import utf16_length
from segue_worker.mapping.liquid import compile_liquid

_MAX_LENGTH: Final = 1000


def compile_liquid_directive(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@liquid`: renders a template of at most 1,000 characters, whose variables are the keys of the data."""
    del scope  # the result is always text
    if not isinstance(value, str):
        return compiler.fault("liquid template value must be a string")
    if not value:
        return constant("")
    if utf16_length(value) > _MAX_LENGTH:
        return compiler.fault(f"liquid template values are limited to {_MAX_LENGTH} characters")
    compiler.meter()
    try:
        return compile_liquid(value)
    except MappingError as error:
        return compiler.fault(error.problems[0])
