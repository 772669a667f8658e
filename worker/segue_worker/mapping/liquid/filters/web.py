"""Filters that escape text for HTML and for URLs."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.values import SPACES, plain, shown
from segue_worker.mapping.undefined import UNDEFINED

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
_ESCAPES: Final = str.maketrans(_ENTITIES)
_CHARACTERS: Final = {entity: character for character, entity in _ENTITIES.items()}
_ENTITY: Final = re.compile(r"&(?:amp|lt|gt|#34|#39);")
_UNRESERVED: Final = "-_.!~*'()"
_RESERVED: Final = ";,/?:@&=+$#"
_MALFORMED: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_ASCII_WORD: Final = re.compile(r"[^A-Za-z0-9]+")
_PRETTY: Final = frozenset("._~!$&'()+,;=@")
_PLAIN_LETTERS: Final = str.maketrans(
    {
        **dict.fromkeys("àáâãäå", "a"),
        "æ": "ae",
        "ç": "c",
        **dict.fromkeys("èéêë", "e"),
        **dict.fromkeys("ìíîï", "i"),
        "ð": "d",
        "ñ": "n",
        **dict.fromkeys("òóôõöø", "o"),
        **dict.fromkeys("ùúûü", "u"),
        **dict.fromkeys("ýÿ", "y"),
        "ß": "ss",
        "œ": "oe",
        "þ": "th",
        "ẞ": "SS",
        "Œ": "OE",
        "Þ": "TH",
    }
)


def _on_text(function: Callable[[str], str]) -> Callable[..., str]:
    def apply(meter: Meter, value: Any, *_: Any) -> str:
        found = shown(value, meter)
        meter.spend_text(4 * len(found))
        result = function(found)
        meter.spend_text(len(result))
        return result

    return apply


def _escape(found: str) -> str:
    return found.translate(_ESCAPES)


def _escape_once(found: str) -> str:
    return _escape(_ENTITY.sub(lambda entity: _CHARACTERS[entity[0]], found))


def _encode_component(found: str) -> str:
    return quote(found, safe=_UNRESERVED).replace("%20", "+")


def _cgi_escape(found: str) -> str:
    return quote(found, safe="-_.~").replace("%20", "+")


def _uri_escape(found: str) -> str:
    return quote(found, safe=_UNRESERVED + _RESERVED + "[]")


def _decode_component(found: str) -> str:
    spaced = found.replace("+", " ")
    if _MALFORMED.search(spaced):
        raise ValueError("URI malformed")
    return unquote_to_bytes(spaced).decode()


def _slugify(meter: Meter, value: Any, mode: Any = "default", cased: Any = False, *_: Any) -> str:  # noqa: FBT002 - JavaScript's positional argument
    found = shown(value, meter)
    meter.spend_text(32 * len(found))
    mode = "default" if mode is UNDEFINED else plain(mode)
    if mode == "latin":
        found = found.translate(_PLAIN_LETTERS)
    replace = _SLUGS.get(mode) if isinstance(mode, str) else None
    if replace is not None:
        found = replace(found).removeprefix("-").removesuffix("-")
    return found if plain(cased) else found.lower()


def _is_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "ML" or category == "Nd"


def _dashed(found: str, keep: Callable[[str], bool]) -> str:
    """Replace every run of characters not to be kept by one dash."""
    return re.sub("\0+", "-", "".join(character if keep(character) else "\0" for character in found))


_SLUGS: Final[Mapping[str, Callable[[str], str]]] = {
    "raw": lambda found: SPACES.sub("-", found),
    "default": lambda found: _dashed(found, _is_word),
    "latin": lambda found: _dashed(found, _is_word),
    "pretty": lambda found: _dashed(found, lambda character: character in _PRETTY or _is_word(character)),
    "ascii": lambda found: _NOT_ASCII_WORD.sub("-", found),
}

WEB: Final[Mapping[str, Callable[..., Any]]] = {
    "cgi_escape": _on_text(_cgi_escape),
    "escape": _on_text(_escape),
    "escape_once": _on_text(_escape_once),
    "slugify": _slugify,
    "uri_escape": _on_text(_uri_escape),
    "url_decode": _on_text(_decode_component),
    "url_encode": _on_text(_encode_component),
    "xml_escape": _on_text(_escape),
}
