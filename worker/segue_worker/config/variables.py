"""Replaces environment variables in texts: `${NAME}` by what the variable holds, and `$$` by a dollar sign.

Nothing else is replaced, so a path such as `$.traits` and a template such as `${{properties.price}}` stay as they are.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from segue_worker.mapping.javascript import has_lone_surrogate

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<stray>\{(?!\{)))", re.ASCII)


class Substituted(NamedTuple):
    """A text with its variables replaced.

    Attributes:
        text: the resulting text; a variable that could not be replaced stays as it was written.
        values: the values that were put in, which must not be shown.
        reasons: why variables could not be replaced, without quoting what any of them holds.
    """

    text: str
    values: frozenset[str]
    reasons: tuple[str, ...]


def substitute(text: str, environ: Mapping[str, str]) -> Substituted:
    """Replace the variables in a text by the values that they have in `environ`."""
    if "$" not in text:
        return Substituted(text, frozenset(), ())
    values: list[str] = []
    reasons: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["name"]
        if name is None:
            reasons.append("${ begins a variable: write ${NAME}, or $${ for the characters themselves")
        elif name not in environ:
            reasons.append(f"the environment variable {name} is not set")
        elif has_lone_surrogate(environ[name]):
            reasons.append(f"the environment variable {name} is not valid UTF-8")
        else:
            values.append(environ[name])
            return environ[name]
        return match[0]

    outcome = _VARIABLE.sub(replacement, text)
    return Substituted(outcome, frozenset(values), tuple(dict.fromkeys(reasons)))
