"""Filters on texts."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping.javascript import WHITESPACE, utf16_unit, utf16_units
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.values import SPACES, is_nil, plain, shown, to_number
from segue_worker.mapping.undefined import UNDEFINED

_LINE_BREAK: Final = re.compile(r"\r?\n")
_IDEOGRAPHS: Final = r"\u4E00-\u9FFF\uF900-\uFAFF\u3400-\u4DBF\u3040-\u309F\u30A0-\u30FF\uAC00-\uD7AF"
_IDEOGRAPH: Final = re.compile(f"[{_IDEOGRAPHS}]")
_OTHER_WORD: Final = re.compile(f"[^{_IDEOGRAPHS}{re.escape(WHITESPACE)}]+")


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a filter of a function that takes the text of the value and those of its arguments, and meter its result."""
    arity = function.__code__.co_argcount - 1

    def apply(meter: Meter, value: Any, *arguments: Any) -> Any:
        texts = [shown(argument, meter) for argument in (*arguments, *([UNDEFINED] * arity))[:arity]]
        found = shown(value, meter)
        meter.spend_text(len(found))
        result = function(found, *texts)
        if isinstance(result, str):
            meter.spend_text(len(result))
        return result

    return apply


def _joined(function: Callable[[str, str], str]) -> Callable[..., str]:
    joined: Callable[..., str] = _on_text(function)

    def apply(meter: Meter, value: Any, *arguments: Any) -> str:
        if len(arguments) != 1:
            raise ValueError("it takes one argument")
        return joined(meter, value, *arguments)

    return apply


def _strip(function: Callable[[str, str], str]) -> Callable[..., str]:
    def apply(meter: Meter, value: Any, characters: Any = UNDEFINED, *_: Any) -> str:
        found = shown(value, meter)
        meter.spend_text(len(found))
        given = plain(characters)
        return function(found, shown(given, meter) if given else WHITESPACE)

    return apply


def _capitalize(found: str) -> str:
    first = utf16_unit(found, 0) or ""
    return found[:1].upper() + found[1:].lower() if first == found[:1] else found[:1] + found[1:].lower()


def _remove(found: str, pattern: str) -> str:
    return found.replace(pattern, "") if pattern else found


def _remove_last(found: str, pattern: str) -> str:
    return _replace_last(found, pattern, "")


def _replace(meter: Meter, value: Any, pattern: Any = UNDEFINED, replacement: Any = UNDEFINED, *_: Any) -> str:
    found, part, other = shown(value, meter), shown(pattern, meter), shown(replacement, meter)
    pieces = found.split(part) if part else utf16_units(found)
    meter.spend(len(pieces) // 4)
    meter.spend_text(len(found) + len(pieces) * len(other))
    return other.join(pieces)


def _replace_last(found: str, pattern: str, replacement: str) -> str:
    before, part, after = found.rpartition(pattern) if pattern else (found, "", "")
    return f"{before}{replacement}{after}" if part or not pattern else found


def _split(meter: Meter, value: Any, separator: Any = UNDEFINED, *_: Any) -> list[str]:
    found, between = shown(value, meter), shown(separator, meter)
    parts = found.split(between) if between else utf16_units(found)
    meter.spend(len(parts))
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _truncate(meter: Meter, value: Any, length: Any = 50, ellipsis: Any = "...", *_: Any) -> Any:
    found, dots = shown(value, meter), "..." if ellipsis is UNDEFINED else shown(ellipsis, meter)
    meter.spend_text(len(found) + len(dots))
    limit = to_number(length, meter) if length is not UNDEFINED else 50
    if len(found) <= max(limit, 0):
        return value
    keep = limit - len(dots)
    return found[: int(min(keep, len(found)))] + dots if keep > 0 else dots


def _truncate_words(meter: Meter, value: Any, words: Any = 15, ellipsis: Any = "...", *_: Any) -> str:
    found, dots = shown(value, meter), "..." if ellipsis is UNDEFINED else shown(ellipsis, meter)
    meter.spend_text(2 * len(found) + len(dots))
    parts = SPACES.split(found.lstrip(WHITESPACE))
    count = to_number(words, meter) if words is not UNDEFINED else 15
    count = 1 if count <= 0 else count
    return " ".join(parts[: int(min(count, len(parts)))]) + (dots if len(parts) >= count else "")


def _number_of_words(meter: Meter, value: Any, mode: Any = UNDEFINED, *_: Any) -> int:
    found = shown(value, meter).strip(WHITESPACE)
    meter.spend_text(8 * len(found))
    if not found:
        return 0
    ideographs = len(_IDEOGRAPH.findall(found)) if mode in ("cjk", "auto") else 0
    if mode == "cjk" or ideographs:
        return ideographs + len(_OTHER_WORD.findall(found))
    return len(SPACES.split(found))


def _strip_html(found: str) -> str:
    """Remove scripts, styles, comments and tags. Where one is never closed, its kind is not searched for any more."""
    blocks = {"<script": "</script>", "<style": "</style>", "<!--": "-->", "<": ">"}
    kept, at = [], 0
    while (start := found.find("<", at)) >= 0:
        kept.append(found[at:start])
        at = -1
        for opening, closing in tuple(blocks.items()):
            if found.startswith(opening, start):
                end = found.find(closing, start + len(opening))
                if end >= 0:
                    at = end + len(closing)
                    break
                del blocks[opening]
        if at < 0:
            return "".join(kept) + found[start:]
    return "".join(kept) + found[at:]


def _default(meter: Meter, value: Any, otherwise: Any = UNDEFINED, *options: Any) -> Any:
    del meter
    value = plain(value)
    if isinstance(value, (list, str)):
        return value or otherwise
    if value is False and ("allow_false", True) in options:
        return False
    return otherwise if value is False or is_nil(value) else value


TEXTS: Final[Mapping[str, Callable[..., Any]]] = {
    "append": _joined(lambda found, other: found + other),
    "prepend": _joined(lambda found, other: other + found),
    "downcase": _on_text(lambda found: found.lower()),
    "upcase": _on_text(lambda found: found.upper()),
    "capitalize": _on_text(_capitalize),
    "lstrip": _strip(str.lstrip),
    "rstrip": _strip(str.rstrip),
    "strip": _strip(str.strip),
    "strip_newlines": _on_text(lambda found: _LINE_BREAK.sub("", found)),
    "strip_html": _on_text(_strip_html),
    "squish": _on_text(lambda found: SPACES.sub(" ", found).strip(WHITESPACE)),
    "normalize_whitespace": _on_text(lambda found: SPACES.sub(" ", found)),
    "number_of_words": _number_of_words,
    "remove": _on_text(_remove),
    "remove_first": _on_text(lambda found, pattern: found.replace(pattern, "", 1)),
    "remove_last": _on_text(_remove_last),
    "replace": _replace,
    "replace_first": _on_text(lambda found, pattern, other: found.replace(pattern, other, 1)),
    "replace_last": _on_text(_replace_last),
    "split": _split,
    "truncate": _truncate,
    "truncatewords": _truncate_words,
    "default": _default,
}
