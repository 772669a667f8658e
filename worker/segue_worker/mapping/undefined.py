"""JavaScript's `undefined`, which mapping-kit distinguishes from `null`."""

from typing import Final, Literal


class Undefined:
    """The type of `UNDEFINED`, which is its only instance."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        """Undefined is falsy, as in JavaScript."""
        return False

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()
"""No value at all. JSON's null, which is a value, is `None`."""
