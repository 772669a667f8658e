"""Reading the Lua steps: each stands in a file beside the module that calls it, and begins with what several share."""

from importlib.resources import files
from typing import Final

CLOCK: Final = "segue_producer/clock"
"""Defines `now` and `precise`, in ms, from ARGV[1]."""
WHEN_FULL: Final = "segue_producer/when_full"
"""Lets the script through where Redis is full; KEYS[1] is any key of the destination."""
HINT: Final = "segue_producer/hint"
"""Defines `hint_wanted`."""
LANES: Final = "segue_producer/lanes"
"""Defines where contacts wait; `join` needs `now`."""


def read_script(name: str, *shared: str) -> str:
    """The text of a step.

    Args:
        name: package and file, as `segue_producer/append`.
        shared: what stands before it, named in the same way.
    """
    return "".join(_read(part) for part in (*shared, name))


def _read(name: str) -> str:
    package, _, file = name.rpartition("/")
    return files(package.replace("/", ".")).joinpath(f"{file}.lua").read_text(encoding="utf-8")
