"""Reads Terraform's language as far as an export of Segment uses it: resources whose attributes are constants."""

import re
from dataclasses import dataclass
from typing import Any, Final

import hcl2
from hcl2.utils import SerializationOptions, process_escape_sequences
from lark.exceptions import LarkError

from segue_worker.segment_import.expression import TerraformExpression

_OPTIONS: Final = SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, preserve_scientific_notation=False
)
_JSONENCODE: Final = re.compile(r"jsonencode\s*\((.*)\)", re.DOTALL)
_TEMPLATE: Final = re.compile(r"\$\$\{|%%\{|\$\{|%\{")


@dataclass(frozen=True, slots=True)
class Resource:
    """A `resource` block.

    Attributes:
        kind: its first label, such as `segment_destination`.
        name: its second label.
        attributes: JSON values; the argument of `jsonencode` itself; a `TerraformExpression` for what is not constant.
    """

    kind: str
    name: str
    attributes: dict[str, Any]


def read_resources(text: str) -> list[Resource]:
    """Read the resources of a `.tf` file.

    Raises:
        ValueError: the text is not Terraform's language; the message names the line at fault.
    """
    document = _loads(text)
    return [
        Resource(_unquoted(kind), _unquoted(name), _value(body))
        for block in document.get("resource", [])
        for kind, named in block.items()
        for name, body in named.items()
    ]


def _loads(text: str) -> dict[str, Any]:
    try:
        return hcl2.loads(text if text.endswith("\n") else f"{text}\n", serialization_options=_OPTIONS)
    except LarkError as error:
        line = getattr(error, "line", None)
        place = f" (line {line})" if isinstance(line, int) and line > 0 else ""
        raise ValueError(f"not Terraform's language{place}") from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            _unquoted(key): TerraformExpression(key) if key.startswith("${") else _value(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_value(item) for item in value]
    if not isinstance(value, str):
        return value
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        return _text(value[1:-1])
    return _expression(value.removeprefix("${").removesuffix("}"))


def _text(quoted: str) -> str | TerraformExpression:
    """Return the text between two quotes, or an expression if Terraform would put something into it."""
    if any(mark in {"${", "%{"} for mark in _TEMPLATE.findall(quoted)):
        return TerraformExpression(quoted)
    return process_escape_sequences(_TEMPLATE.sub(lambda mark: mark[0][1:], quoted))


def _expression(text: str) -> Any:
    encoded = _JSONENCODE.fullmatch(text)
    if encoded is None:
        return TerraformExpression(text)
    try:
        return _value(_loads(f"it = {encoded[1]}")["it"])
    except ValueError:
        return TerraformExpression(text)


def _unquoted(label: str) -> str:
    return process_escape_sequences(label[1:-1]) if label.startswith('"') else label
