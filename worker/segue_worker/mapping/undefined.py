"""JavaScript's `undefined`, which mapping-kit tells apart from `null`."""

from enum import Enum
from typing import Final, Literal

__all__ = ["UNDEFINED", "Undefined"]


class Undefined(Enum):
    """The type of `UNDEFINED`: an enum of one member, so that type checkers can narrow on identity."""

    UNDEFINED = "undefined"

    def __bool__(self) -> Literal[False]:
        """Undefined is falsy, as in JavaScript."""
        return False

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined.UNDEFINED
"""No value at all. `None` is JSON's null, which is a value."""
