"""Filters on numbers. What cannot be read as a number counts as 0; a missing argument makes the result NaN."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping.javascript import number_text
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.values import NAN, to_number
from segue_worker.mapping.undefined import UNDEFINED

_SAFE_INTEGER: Final = 2**53 - 1


def _number(value: Any, meter: Meter) -> float:
    number = to_number(value, meter)
    return 0 if math.isnan(number) else number


def _unary(function: Callable[[float], float]) -> Callable[..., float]:
    def apply(meter: Meter, value: Any, *_: Any) -> float:
        number = _number(value, meter)
        return function(number) if math.isfinite(number) else number

    return apply


def _binary(function: Callable[[float, float], float]) -> Callable[..., float]:
    def apply(meter: Meter, value: Any, *arguments: Any) -> float:
        return function(_number(value, meter), _number(arguments[0], meter)) if arguments else NAN

    return apply


def _divide(dividend: float, divisor: float) -> float:
    if divisor:
        return dividend / divisor
    return NAN if not dividend or math.isnan(dividend) else math.copysign(math.inf, dividend)


def _divided_by(meter: Meter, value: Any, *arguments: Any) -> float:
    if not arguments:
        return NAN
    quotient = _divide(_number(value, meter), _number(arguments[0], meter))
    whole = len(arguments) > 1 and _number(arguments[1], meter) != 0
    return math.floor(quotient) if whole and math.isfinite(quotient) else quotient


def _modulo(value: float, argument: float) -> float:
    if not argument or not math.isfinite(value):
        return NAN
    return math.fmod(math.fmod(value, argument) + argument, argument)


def _extreme(function: Callable[[list[float]], float]) -> Callable[..., float]:
    def apply(meter: Meter, value: Any, *arguments: Any) -> float:
        return function([_number(item, meter) for item in (value, *arguments)])

    return apply


def _shift(number: float, places: float) -> float:
    mantissa, _, power = number_text(number).partition("e")
    return float(f"{mantissa}e{int(power or 0) + int(places)}")


def _round(meter: Meter, value: Any, argument: Any = UNDEFINED, *_: Any) -> float:
    number, places = _number(value, meter), _number(argument, meter)
    if not math.isfinite(number) or abs(places) > _SAFE_INTEGER:
        return number
    scaled = _shift(abs(number), places)
    if scaled > _SAFE_INTEGER:
        return number
    return math.copysign(_shift(math.floor(scaled + 0.5), -places), number)


NUMBERS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": _unary(abs),
    "ceil": _unary(math.ceil),
    "floor": _unary(math.floor),
    "plus": _binary(lambda left, right: left + right),
    "minus": _binary(lambda left, right: left - right),
    "times": _binary(lambda left, right: left * right),
    "modulo": _binary(_modulo),
    "divided_by": _divided_by,
    "at_least": _extreme(max),
    "at_most": _extreme(min),
    "round": _round,
}
