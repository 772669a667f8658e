"""Compares the data of the file with the shape it should have, and reports every difference."""

from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from segue_worker.config.document import Document
from segue_worker.config.problems import Where
from segue_worker.config.pydantic_errors import reason
from segue_worker.config.rules import entries
from segue_worker.config.schema import MAX_MAPPINGS, FileShape, MappingShape

ShapeT = TypeVar("ShapeT", bound=BaseModel)


def validate(document: Document) -> FileShape | None:
    """Compare a document with the shape of a configuration.

    Args:
        document: the document; problems are added to its findings.

    Returns:
        The values of the file, with defaults filled in; None if there is a problem.
    """
    for index, destination in entries(document.data, "destinations"):
        mappings = destination.get("mappings")
        if isinstance(mappings, list) and len(mappings) > MAX_MAPPINGS:
            # Pydantic does not look into a list that is too long, but every problem is to be reported at once.
            for at, mapping in enumerate(mappings):
                _compare(MappingShape, mapping, ("destinations", index, "mappings", at), document)
    return _compare(FileShape, document.data, (), document)


def _compare(shape: type[ShapeT], data: Any, where: Where, document: Document) -> ShapeT | None:
    try:
        return shape.model_validate(data)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            inner = error["loc"]
            around = inner[:-1] if error["type"] == "missing" else inner
            document.findings.problem((*where, *around), reason(error, _keys(shape, inner[:-1])))
    return None


def _keys(shape: type[BaseModel], inner: Where) -> list[str]:
    """Return the keys that a shape has at a place within it."""
    for step in inner:
        if isinstance(step, str):
            shape = next(_shapes(shape.model_fields[step].annotation), shape)
    return list(shape.model_fields)


def _shapes(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the shapes within an annotation such as `list[Annotated[Shape, …]] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _shapes(inner)
