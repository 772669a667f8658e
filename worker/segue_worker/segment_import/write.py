"""Writes a converted export as `segue.yaml`, with comments where a person should look."""

import json
import re
from io import StringIO
from textwrap import indent
from typing import Any, Final

from ruamel.yaml import YAML

from segue_worker.segment_import.convert import Conversion, ConvertedDestination, ConvertedMapping

_DOLLARS: Final = re.compile(r"\${2,}|\$(?=\{(?!\{))")
_WIDTH: Final = 120
_KEEP: Final = "as Segment; without this line, what Loops cannot hold is left out and the rest delivered"
_UNWRITABLE: Final = frozenset("\x85\u2028\u2029\ufeff")


def write_config(conversion: Conversion) -> str:
    """Return the text of a configuration. What could not be carried over is in its place, as a comment."""
    text = "# Imported from Segment. Look for comments below, set the variables, then run: segue check\n"
    text += "destinations:\n" if conversion.destinations else "destinations: []\n"
    return text + "".join(map(_destination, conversion.destinations))


def _destination(destination: ConvertedDestination) -> str:
    head: dict[str, Any] = {"name": destination.name, "api_key": f"${{{destination.variable}}}"}
    if not destination.enabled:
        head |= {"enabled": False}
    head |= {"values": "keep"}
    remarks = "".join(map(_comment, (destination.title and f"At Segment: {destination.title}", *destination.notes)))
    text = indent(remarks + _yaml([head]).replace("values: keep\n", f"values: keep  # {_KEEP}\n"), "  ")
    listed = "".join(map(_mapping, destination.mappings))
    has_any = any(mapping.carried for mapping in destination.mappings)
    return f"{text}    mappings:{'' if has_any else ' []'}\n{indent(listed, '      ')}"


def _mapping(mapping: ConvertedMapping) -> str:
    comments = "".join(map(_comment, mapping.notes))
    entry = _yaml([_escaped(mapping.entry)])
    return comments + (entry if mapping.carried else _comment(entry))


def _yaml(value: Any) -> str:
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    # Without escapes these characters would be read back as ordinary line breaks, or not at all.
    yaml.allow_unicode = _UNWRITABLE.isdisjoint(json.dumps(value, ensure_ascii=False))
    yaml.width = _WIDTH
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def _comment(text: str) -> str:
    """Return the text as lines of comment, without characters that YAML does not allow there."""
    shown = ("".join(each if each.isprintable() else " " for each in line).rstrip() for line in text.splitlines())
    return "".join(f"# {line}".rstrip() + "\n" for line in shown)


def _escaped(value: Any) -> Any:
    """Escape the texts of a value for a configuration, where `${NAME}` is a variable and `$$` a dollar sign."""
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, str):
        return _DOLLARS.sub(lambda dollars: dollars[0] * 2, value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
