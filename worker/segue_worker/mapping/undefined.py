"""JavaScript's `undefined`, which mapping-kit tells apart from `null`."""

from typing import Final, Literal, Self

__all__ = ["UNDEFINED", "Undefined"]


class Undefined:
    """The type of `UNDEFINED`, which is its only instance; copies are the same one."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        """Undefined is falsy, as in JavaScript."""
        return False

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        return self


UNDEFINED: Final = Undefined()
"""No value at all. `None` is JSON's null, which is a value."""
