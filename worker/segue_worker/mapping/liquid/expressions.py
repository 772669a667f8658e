"""Gives the expressions that python-liquid parsed the meaning that LiquidJS gives them."""

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import (
    PRECEDENCES,
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
from liquid.exceptions import LiquidSyntaxError
from liquid.expression import Expression
from liquid.token import TOKEN_CONTAINS, TOKEN_EQ

from segue_worker.errors import MappingError
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.filters import DISABLED, FILTERS
from segue_worker.mapping.liquid.filters.dates import CURRENT_TIME, CURRENT_TIME_PROBLEM, DATES
from segue_worker.mapping.liquid.quoting import unescape
from segue_worker.mapping.liquid.values import Drop, compare, contains, equals, is_falsy, to_number

_DROPS: Final[Mapping[type[Expression], Drop]] = {Nil: Drop.NIL, Empty: Drop.EMPTY, Blank: Drop.BLANK}

_OPERATORS: Final[Mapping[type[Expression], Callable[[Any, Any, Meter], bool]]] = {
    EqExpression: equals,
    NeExpression: lambda left, right, meter: not equals(left, right, meter),
    LtExpression: partial(compare, operator.lt),
    LeExpression: partial(compare, operator.le),
    GtExpression: partial(compare, operator.gt),
    GeExpression: partial(compare, operator.ge),
    ContainsExpression: contains,
    LogicalAndExpression: lambda left, right, _meter: not (is_falsy(left) or is_falsy(right)),
    LogicalOrExpression: lambda left, right, _meter: not (is_falsy(left) and is_falsy(right)),
}

_JOINING: Final = frozenset({LogicalAndExpression, LogicalOrExpression})

# LiquidJS has one precedence for all comparisons, and reads those in a row from the right.
PRECEDENCES[TOKEN_CONTAINS] = PRECEDENCES[TOKEN_EQ]


def with_liquidjs_meaning(expression: Any) -> Any:
    """Return an expression that evaluates as LiquidJS would evaluate the given one, which may be changed in place.

    Raises:
        LiquidSyntaxError: the expression formats the current time.
    """
    kind = type(expression)
    if kind is StringLiteral:
        expression.value = unescape(expression.value)
    elif kind is Path:
        expression.path = [_segment(segment) for segment in expression.path]
    elif kind is FilteredExpression:
        _refuse_current_time(expression)
        expression.left = with_liquidjs_meaning(expression.left)
        expression.filters = [_MeteredFilter(item) for item in expression.filters or ()]
    elif kind is RangeLiteral:
        return _MeteredRange(
            expression.token, with_liquidjs_meaning(expression.start), with_liquidjs_meaning(expression.stop)
        )
    elif kind in _DROPS:
        return Literal(expression.token, _DROPS[kind])
    elif kind is BooleanExpression:
        return _Condition(expression.expression)
    elif kind is LogicalNotExpression:
        tight = _binding_tightly(expression)
        return _Operation(tight) if type(tight) in _JOINING else _Condition(tight.right, negated=True)
    elif kind in _OPERATORS:
        return _Operation(expression)
    return expression


def _binding_tightly(expression: LogicalNotExpression) -> Any:
    """Let `not` end at the next `and` or `or`, as in LiquidJS; python-liquid has it negate all that follows."""
    right: Any = expression.right
    if type(right) is LogicalNotExpression:
        right = _binding_tightly(right)
    if type(right) in _JOINING:
        return type(right)(right.token, LogicalNotExpression(expression.token, right.left), right.right)
    return LogicalNotExpression(expression.token, right)


def _segment(segment: Any) -> Any:
    return unescape(segment) if isinstance(segment, str) else with_liquidjs_meaning(segment)


def _refuse_current_time(expression: FilteredExpression) -> None:
    texts = [expression.left]
    for item in expression.filters or ():
        if item.name in DATES and any(isinstance(text, StringLiteral) and text.value in CURRENT_TIME for text in texts):
            raise LiquidSyntaxError(CURRENT_TIME_PROBLEM, token=item.token)
        texts += item.children()


class _MeteredFilter(Filter):
    """A filter of Segment's. Unknown filters let their value pass, and disabled ones fail when they are reached."""

    def __init__(self, parsed: Filter) -> None:
        super().__init__(parsed.token, parsed.name, parsed.args)
        for argument in self.args:
            argument.value = with_liquidjs_meaning(argument.value)

    def evaluate(self, left: object, context: Any) -> Any:
        if self.name in DISABLED:
            raise MappingError((f'filter "{self.name}" is disabled',))
        if self.name not in FILTERS:
            return left
        named = [argument.evaluate(context) for argument in self.args]
        arguments = [(name, value) if name else value for name, value in named]
        try:
            return FILTERS[self.name](context.meter, left, *arguments)
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise MappingError((f"the Liquid filter {self.name} fails: {error}"[:200],)) from None


class _MeteredRange(RangeLiteral):
    """`(1..3)`, whose length is charged before it is made."""

    def evaluate(self, context: Any) -> Any:
        low = to_number(self.start.evaluate(context), context.meter)
        count = to_number(self.stop.evaluate(context), context.meter) - low
        if not count >= 0:
            return []
        context.meter.spend(int(min(count, 1e9)) + 1)
        return [low + index for index in range(int(count) + 1)]


class _Operation(Expression):
    """A comparison, `contains`, `and` or `or`. Both sides are evaluated before either counts, as in LiquidJS."""

    def __init__(self, parsed: Any) -> None:
        super().__init__(parsed.token)
        self._operands = with_liquidjs_meaning(parsed.left), with_liquidjs_meaning(parsed.right)
        self._apply = _OPERATORS[type(parsed)]

    def evaluate(self, context: Any) -> bool:
        left, right = self._operands
        return self._apply(left.evaluate(context), right.evaluate(context), context.meter)

    def children(self) -> list[Expression]:
        return list(self._operands)


class _Condition(BooleanExpression):
    """The condition of an `if`, or what `not` makes of one."""

    def __init__(self, parsed: Expression, *, negated: bool = False) -> None:
        super().__init__(parsed.token, with_liquidjs_meaning(parsed))
        self._negated = negated

    def evaluate(self, context: Any) -> bool:
        return is_falsy(self.expression.evaluate(context)) is self._negated
