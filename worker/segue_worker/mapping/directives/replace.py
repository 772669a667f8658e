"""`@replace`: replaces one or two literal patterns in a text."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from segue_worker.errors import MappingError
from segue_worker.mapping.compiler import Compiler, Keep, Resolve, Scope, constant
from segue_worker.mapping.javascript import is_falsy, text, utf16_length
from segue_worker.mapping.limits import MAX_PATTERN_LENGTH, MAX_REPLACEMENT_LENGTH, Meter
from segue_worker.mapping.undefined import UNDEFINED

Replace = Callable[[str, Meter], str]

_REFERENCES: Final = re.compile(r"\$([$&`'])")
_LATEST_ASCII: Final = 0x7F


def compile_replace(value: Any, compiler: Compiler, scope: Scope) -> Resolve:
    """`@replace`: replaces `pattern` and `pattern2`. A value that is not text, number or boolean becomes ""."""
    if not isinstance(value, dict):
        return compiler.fault('@replace requires an object with a "pattern" key')
    options = {key: item for key, item in value.items() if item is not None}
    if is_falsy(options.get("pattern", UNDEFINED)):
        return compiler.fault('@replace requires a "pattern" key')
    if is_falsy(value.get("value", UNDEFINED)):
        return constant(UNDEFINED)
    compiler.meter()
    resolve = compiler.compile_at("value", value["value"], Scope(Keep.EVERYWHERE, pure=scope.pure))
    steps = _compile_steps(options)

    def run(data: Any, meter: Meter) -> str:
        found = resolve(data, meter)
        if isinstance(found, (bool, int, float)):
            found = text(found, meter)
        if not isinstance(found, str) or not steps:
            return ""
        for step in steps:
            found = step(found, meter)
        return found

    return run


def _compile_steps(options: dict[str, Any]) -> tuple[Replace, ...]:
    pattern, replacement = options["pattern"], options.get("replacement", "")
    ignore_case, everywhere = options.get("ignorecase", False), options.get("global", True)
    if not (
        isinstance(pattern, str)
        and isinstance(replacement, str)
        and isinstance(ignore_case, bool)
        and isinstance(everywhere, bool)
    ):
        return ()
    steps = [_compile_step(pattern, replacement, ignore_case=ignore_case, everywhere=everywhere)]
    pattern, replacement = options.get("pattern2"), options.get("replacement2", "")
    if pattern and isinstance(pattern, str) and isinstance(replacement, str):
        steps.append(_compile_step(pattern, replacement, ignore_case=ignore_case, everywhere=everywhere))
    return tuple(steps)


def _compile_step(pattern: str, replacement: str, *, ignore_case: bool, everywhere: bool) -> Replace:
    if utf16_length(pattern) > MAX_PATTERN_LENGTH:
        return _too_long("pattern", MAX_PATTERN_LENGTH)
    if utf16_length(replacement) > MAX_REPLACEMENT_LENGTH:
        return _too_long("replacement", MAX_REPLACEMENT_LENGTH)
    references = set(_REFERENCES.findall(replacement))
    if not ignore_case and references <= {"$", "&"}:
        literal = _REFERENCES.sub(lambda found: "$" if found[1] == "$" else pattern, replacement)
        return _replacing_text(pattern, literal, -1 if everywhere else 1)
    expression = re.compile("".join(_either_case(unit) for unit in pattern) if ignore_case else re.escape(pattern))
    count = 0 if everywhere else 1
    if references <= {"$"}:
        return _replacing_any_case(expression, replacement.replace("$$", "$"), count)
    return _replacing_matches(expression, replacement, count)


def _too_long(option: str, limit: int) -> Replace:
    def fail(_found: str, _meter: Meter) -> str:
        raise MappingError((f'@replace requires a "{option}" less than {limit} characters',))

    return fail


def _replacing_text(pattern: str, literal: str, count: int) -> Replace:
    growth = max(0, len(literal) - len(pattern))

    def replace(found: str, meter: Meter) -> str:
        hits = found.count(pattern) if growth else 0
        meter.spend_text(len(found) + growth * hits)
        return found.replace(pattern, literal, count)

    return replace


def _replacing_any_case(expression: re.Pattern[str], literal: str, count: int) -> Replace:
    template = literal.replace("\\", "\\\\")

    def replace(found: str, meter: Meter) -> str:
        replaced = expression.sub(template, found, count=count)
        meter.spend_text(max(len(found), len(replaced)))
        return replaced

    return replace


def _replacing_matches(expression: re.Pattern[str], replacement: str, count: int) -> Replace:
    """Replace matches by a text in which `$$`, `$&`, `` $` `` and `$'` stand for parts of the input."""
    parts = _REFERENCES.split(replacement)

    def replace(found: str, meter: Meter) -> str:
        def expand(match: re.Match[str]) -> str:
            values = {"$": "$", "&": match[0]}
            if "`" in parts[1::2]:
                values["`"] = found[: match.start()]
            if "'" in parts[1::2]:
                values["'"] = found[match.end() :]
            expanded = "".join(values[part] if index % 2 else part for index, part in enumerate(parts))
            meter.spend_text(len(expanded))
            return expanded

        meter.spend_text(len(found))
        return expression.sub(expand, found, count=count)

    return replace


def _either_case(character: str) -> str:
    """Match `character` as a JavaScript expression without the `u` flag does under `i`."""
    variants = _case_variants().get(_canonical(character), character)
    return f"[{''.join(map(re.escape, variants))}]"


def _canonical(character: str) -> str:
    """Return the upper case by ECMAScript's Canonicalize, which keeps characters whose upper case is longer or ASCII."""
    upper = character.upper()
    if len(upper) != 1 or (ord(character) > _LATEST_ASCII >= ord(upper)):
        return character
    return upper


@cache
def _case_variants() -> dict[str, str]:
    """Return, for each canonical character of the basic plane, all characters that canonicalize to it."""
    variants: dict[str, str] = {}
    for code in range(0x10000):
        canonical = _canonical(chr(code))
        variants[canonical] = variants.get(canonical, "") + chr(code)
    return {canonical: characters for canonical, characters in variants.items() if len(characters) > 1}
