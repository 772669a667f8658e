"""Compiles Liquid's expressions."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.arguments import KeywordArgument, PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import (
    BooleanExpression,
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.path import Path
from liquid.builtin.expressions.primitive import Blank, Empty, Literal, Nil, RangeLiteral, StringLiteral
from liquid.expression import Expression

from segue_worker.errors import MappingError
from segue_worker.mapping.liquid.filters import DISABLED, FILTERS
from segue_worker.mapping.liquid.quoting import unescape
from segue_worker.mapping.liquid.state import State
from segue_worker.mapping.liquid.values import (
    Drop,
    compare,
    contains,
    equals,
    is_falsy,
    plain,
    read,
    to_number,
)

__all__ = ["Evaluate", "compile_expression"]

Evaluate = Callable[[State], Any]

_DROPS: Final[Mapping[type[Expression], Drop]] = {Nil: Drop.NIL, Empty: Drop.EMPTY, Blank: Drop.BLANK}
_ORDERS: Final[Mapping[type[Expression], str]] = {
    LtExpression: "<",
    LeExpression: "<=",
    GtExpression: ">",
    GeExpression: ">=",
}


def compile_expression(expression: Expression) -> Evaluate:
    """Compile an expression; literals like `empty` come out as `Drop`."""
    if isinstance(expression, FilteredExpression):
        return _compile_filtered(expression)
    if isinstance(expression, BooleanExpression):
        return compile_expression(expression.expression)
    if isinstance(expression, Path):
        return _compile_path(expression)
    if isinstance(expression, RangeLiteral):
        return _compile_range(expression)
    if isinstance(expression, (Literal, Nil, Empty, Blank)):
        value = _literal(expression)
        return lambda _state: value
    return _compile_logical(expression)


def _literal(expression: Expression) -> Any:
    if isinstance(expression, StringLiteral):
        return unescape(expression.value)
    return expression.value if isinstance(expression, Literal) else _DROPS[type(expression)]


def _compile_path(path: Path) -> Evaluate:
    first, *rest = [_compile_segment(segment) for segment in path.path]

    def evaluate(state: State) -> Any:
        head = plain(first(state))
        value = state.find(head) if isinstance(head, str) else state.find(str(head))
        for segment in rest:
            value = read(value, segment(state))
        return value

    return evaluate


def _compile_segment(segment: str | int | Path) -> Evaluate:
    if isinstance(segment, Path):
        return _compile_path(segment)
    return lambda _state: segment


def _compile_range(expression: RangeLiteral) -> Evaluate:
    start, stop = compile_expression(expression.start), compile_expression(expression.stop)

    def evaluate(state: State) -> list[float]:
        low = to_number(start(state), state.meter)
        count = to_number(stop(state), state.meter) - low
        if not count >= 0:
            return []
        state.meter.spend(int(min(count, 1e9)) + 1)
        return [low + index for index in range(int(count) + 1)]

    return evaluate


def _compile_filtered(expression: FilteredExpression) -> Evaluate:
    evaluate = compile_expression(expression.left)
    for item in expression.filters or ():
        evaluate = _compile_filter(evaluate, item)
    return evaluate


def _compile_filter(evaluate: Evaluate, item: Filter) -> Evaluate:
    """Wrap `evaluate` in a filter; unknown ones let the value pass, disabled ones fail when reached."""
    name = item.name
    if name in DISABLED:
        return _failing(f'filter "{name}" is disabled')
    apply = FILTERS.get(name)
    if apply is None:
        return evaluate
    arguments = tuple(_compile_argument(argument) for argument in item.args)

    def filtered(state: State) -> Any:
        value = evaluate(state)
        values = [argument(state) for argument in arguments]
        try:
            return apply(state.meter, value, *values)
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise MappingError((f"the Liquid filter {name} fails: {error}"[:200],)) from None

    return filtered


def _failing(message: str) -> Evaluate:
    def fail(_state: State) -> Any:
        raise MappingError((message,))

    return fail


def _compile_argument(argument: KeywordArgument | PositionalArgument) -> Evaluate:
    evaluate = compile_expression(argument.value)
    if not isinstance(argument, KeywordArgument):
        return evaluate
    name = argument.name
    return lambda state: (name, evaluate(state))


def _compile_logical(expression: Any) -> Evaluate:
    kind = type(expression)
    right = compile_expression(expression.right)
    if kind is LogicalNotExpression:
        return lambda state: is_falsy(right(state))
    left = compile_expression(expression.left)
    if kind in _ORDERS:
        symbol = _ORDERS[kind]
        return lambda state: compare(symbol, left(state), right(state), state.meter)
    return _LOGICAL[kind](left, right)


_LOGICAL: Final[Mapping[type[Expression], Callable[[Evaluate, Evaluate], Evaluate]]] = {
    EqExpression: lambda left, right: lambda state: equals(left(state), right(state), state.meter),
    NeExpression: lambda left, right: lambda state: not equals(left(state), right(state), state.meter),
    ContainsExpression: lambda left, right: lambda state: contains(left(state), right(state), state.meter),
    # Both sides are evaluated before either counts, as in LiquidJS: a failing filter there cannot occur, a limit can.
    LogicalAndExpression: lambda left, right: lambda state: not (is_falsy(left(state)) | is_falsy(right(state))),
    LogicalOrExpression: lambda left, right: lambda state: not (is_falsy(left(state)) & is_falsy(right(state))),
}
