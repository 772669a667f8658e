"""Compiles the mappings of the file, and says what is wrong with their triggers and fields."""

from collections.abc import Iterator
from typing import Any

from segue_worker.config.document import Document
from segue_worker.config.problems import Where
from segue_worker.config.rules import entries
from segue_worker.config.schema import ACTIONS, DestinationShape, MappingShape
from segue_worker.errors import MappingError, TriggerError
from segue_worker.mapping import CompiledMapping, compile_destination_mapping

_WIDEST_EXCERPT = 100


def check_mappings(document: Document) -> None:
    """Report every trigger and every field at fault, whatever else is wrong with the file."""
    for index, destination in entries(document.data, "destinations"):
        for at, mapping in entries(destination, "mappings"):
            _check(mapping, ("destinations", index, "mappings", at), document)


def compiled(destination: DestinationShape) -> tuple[CompiledMapping, ...]:
    """The mappings of a destination without problems."""
    return tuple(_compile(mapping, mapping.trigger) for mapping in destination.mappings)


def _compile(mapping: MappingShape, trigger: str | None) -> CompiledMapping:
    return compile_destination_mapping(
        name=mapping.name,
        action=mapping.action,
        trigger=trigger,
        enabled=mapping.enabled,
        defaults=mapping.defaults,
        fields=mapping.fields,
    )


def _check(raw: dict[str, Any], where: Where, document: Document) -> None:
    """Compile what there is: the fields also when the trigger is at fault, the trigger also when the action is."""
    given = raw.get("trigger")
    trigger = given if isinstance(given, str) and not document.findings.is_settled((*where, "trigger")) else None
    fields = raw.get("fields")
    action = raw.get("action")
    mapping = MappingShape.model_construct(
        name="",
        action=action if action in ACTIONS else ACTIONS[0],
        fields=fields if action in ACTIONS and isinstance(fields, dict) else {},
        defaults=raw.get("defaults") is not False,
    )
    try:
        _compile(mapping, trigger)
    except TriggerError as error:
        hidden = (*where, "trigger") in document.replaced
        document.findings.problem((*where, "trigger"), _trigger_reason(error, hidden=hidden))
        _check_fields(mapping, where, document)
    except MappingError as error:
        _report(error, mapping, where, document)


def _check_fields(mapping: MappingShape, where: Where, document: Document) -> None:
    try:
        _compile(mapping, None)
    except MappingError as error:
        _report(error, mapping, where, document)


def _report(error: MappingError, mapping: MappingShape, where: Where, document: Document) -> None:
    for problem in error.problems:
        steps = _steps(problem, mapping.fields)
        document.findings.problem((*where, "fields", *steps), problem)


def _steps(problem: str, fields: Any) -> Iterator[str | int]:
    """The way that leads to a `/path/in/mapping problem.`, as far as the fields have it."""
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


def _trigger_reason(error: TriggerError, *, hidden: bool) -> str:
    """The reason, with the place it is about shown below (unless a variable supplied the text)."""
    reason = f"{error.reason} (at character {error.position + 1})"
    if hidden or not error.text:
        return reason
    before, after = error.text[: error.position], error.text[error.position :]
    start = before.rpartition("\n")[2][-_WIDEST_EXCERPT // 2 :]
    rest = after.partition("\n")[0][: _WIDEST_EXCERPT // 2]
    excerpt = "".join(character if character.isprintable() else " " for character in start + rest)
    return f"{reason}\n    {excerpt}\n    {' ' * len(start)}^"
