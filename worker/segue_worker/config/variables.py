"""`${NAME}` in a text stands for an environment variable; `$$` for a dollar sign.

Only `${NAME}` is replaced, so a JSONPath such as `$.traits` and a template such as `${{properties.price}}` stay as they are.
"""

import re
from collections.abc import Mapping

from segue_worker.config.yamltree import encodable

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<stray>\{(?!\{)))", re.ASCII)


def substitute(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Replace the variables of a text.

    Args:
        text: a text of the configuration.
        environ: the variables.

    Returns:
        The outcome, and a reason for each variable that could not be replaced (it stays as written). What a variable
        holds is never part of a reason.
    """
    if "$" not in text:
        return text, []
    reasons: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["name"]
        if name is None:
            reasons.append("${ begins a variable: write ${NAME}, or $${ for the characters themselves")
        elif name not in environ:
            reasons.append(f"the environment variable {name} is not set")
        elif not encodable(environ[name]):
            reasons.append(f"the environment variable {name} is not valid UTF-8")
        else:
            return environ[name]
        return match[0]

    return _VARIABLE.sub(value, text), list(dict.fromkeys(reasons))
