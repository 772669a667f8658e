"""Compiles the mappings of the configuration, and reports what is wrong with their triggers and fields."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from segue_worker.config.document import Document
from segue_worker.config.problems import Where
from segue_worker.config.rules import entries
from segue_worker.config.schema import DestinationShape, MappingShape
from segue_worker.errors import MappingError, TriggerError
from segue_worker.mapping import (
    ACTIONS,
    CompiledMapping,
    compile_destination_mapping,
    compile_trigger,
    point_out,
    unknown_fields,
)
from segue_worker.mapping.values import Values

_TELLING = 4
"""How many characters of a variable's value, in a row in a message, could give a secret away."""


def check_mappings(document: Document) -> None:
    """Report the problems of every trigger and every field, whatever else is wrong with the file."""
    for index, destination in entries(document.data, "destinations"):
        for at, mapping in entries(destination, "mappings"):
            _check(mapping, ("destinations", index, "mappings", at), document)


def compiled(destination: DestinationShape, index: int, document: Document) -> tuple[CompiledMapping, ...]:
    """Compile the mappings of a destination that has no problems, and is the file's at `index`."""
    found = tuple(_compile(mapping, destination.values, destination.max_wait) for mapping in destination.mappings)
    for at, mapping in enumerate(found):
        fields = _written(mapping.definition.fields, ("destinations", index, "mappings", at, "fields"), document)
        mapping.definition = mapping.definition._replace(fields=fields)
    return found


def _written(value: Any, where: Where, document: Document) -> Any:
    """A value as the file writes it, with the names of variables."""
    if isinstance(value, dict):
        return {name: _written(each, (*where, name), document) for name, each in value.items()}
    if isinstance(value, list):
        return [_written(each, (*where, place), document) for place, each in enumerate(value)]
    return document.written.get(where, value)


def _compile(mapping: MappingShape, values: Values = "repair", events_wait: timedelta = timedelta()) -> CompiledMapping:
    max_wait = mapping.max_wait
    if max_wait is None:
        max_wait = events_wait if mapping.action == "sendEvent" else timedelta()
    return compile_destination_mapping(
        name=mapping.name,
        action=mapping.action,
        trigger=mapping.trigger,
        enabled=mapping.enabled,
        defaults=mapping.defaults,
        fields=mapping.fields,
        values=values,
        max_wait_ms=math.ceil(max_wait.total_seconds() * 1000),
    )


def _check(raw: dict[str, Any], where: Where, document: Document) -> None:
    trigger, fields, action = raw.get("trigger"), raw.get("fields"), raw.get("action")
    if isinstance(trigger, str):
        _check_trigger(trigger, (*where, "trigger"), document)
    if isinstance(fields, dict) and isinstance(action, str) and action in ACTIONS:
        defaults = raw.get("defaults") is not False
        mapping = MappingShape.model_construct(name="", action=ACTIONS[action].name, defaults=defaults, fields=fields)
        _check_fields(mapping, (*where, "fields"), document)


def _check_trigger(trigger: str, where: Where, document: Document) -> None:
    try:
        compile_trigger(trigger)
    except TriggerError as error:
        document.findings.problem(where, _trigger_reason(error, document.replaced.get(where)))


def _check_fields(mapping: MappingShape, where: Where, document: Document) -> None:
    try:
        _compile(mapping)
    except MappingError as error:
        values = [held for at, held in document.replaced.items() if at[: len(where)] == where]
        for problem in error.problems:
            steps = _steps(problem, mapping.fields)
            document.findings.problem((*where, *steps), _discreet(problem, frozenset().union(*values)))
    for field in mapping.fields:
        for problem in unknown_fields(mapping.action, {field: None}):
            document.findings.problem((*where, field), problem.removesuffix("."))


def _steps(problem: str, fields: Any) -> Iterator[str | int]:
    """Return the steps of the path in `/path/in/mapping problem.`, as far as the fields have them."""
    while problem.startswith("/"):
        problem = problem[1:]
        steps = dict(enumerate(fields)) if isinstance(fields, list) else fields if isinstance(fields, dict) else {}
        fitting = [step for step in steps if problem.startswith((f"{step}/", f"{step} "))]
        if not fitting:
            return
        step = max(fitting, key=lambda fit: len(str(fit)))
        yield step
        fields = steps[step]
        problem = problem[len(str(step)) :]


def _trigger_reason(error: TriggerError, values: frozenset[str] | None) -> str:
    """Return the reason, with the place that it is about shown below, unless the text came from variables."""
    reason = f"{_discreet(error.reason, values)} (at character {error.position + 1})"
    if values or not error.text:
        return reason
    excerpt, caret = point_out(error).split("\n")[:2]
    return f"{reason}\n    {excerpt}\n    {caret}"


def _discreet(reason: str, values: frozenset[str] | None) -> str:
    """Return the reason without its full stop, or a discreet one where it would quote the value of a variable."""
    for value in values or ():
        if any(value[start : start + _TELLING] in reason for start in range(len(value) - _TELLING + 1)):
            return "refused, for a reason that would show what a variable holds: write the text itself here to see it"
    return reason.removesuffix(".")
