"""Filters that encode values: as JSON, as Base64, and as digests."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping import json_text
from segue_worker.mapping.compiler import charge_size
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.values import Drop, plain, shown, to_number
from segue_worker.mapping.undefined import UNDEFINED

_BASE64_SPACES: Final = re.compile(r"[\t\n\f\r ]")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*\Z")
_QUANTUM: Final = 4


def _json(meter: Meter, value: Any, indent: Any = UNDEFINED, *_: Any) -> Any:
    if isinstance(value, Drop):
        return "{}"
    if value is UNDEFINED:
        return UNDEFINED
    if plain(indent):
        raise ValueError("indentation is not supported")
    charge_size(value, meter)
    return json_text.encode(value)


def _bytes(meter: Meter, value: Any) -> bytes:
    found = shown(value, meter)
    meter.spend_text(len(found))
    # Half a surrogate pair is encoded as U+FFFD.
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _base64_encode(meter: Meter, value: Any, *_: Any) -> str:
    return base64.b64encode(_bytes(meter, value)).decode()


def _base64_decode(meter: Meter, value: Any, *_: Any) -> str:
    encoded = _BASE64_SPACES.sub("", shown(value, meter))
    meter.spend_text(len(encoded))
    if len(encoded) % _QUANTUM == 0:
        encoded = re.sub(r"==?\Z", "", encoded)
    if len(encoded) % _QUANTUM == 1 or not _BASE64.match(encoded):
        raise ValueError("the text is not Base64")
    return base64.b64decode(encoded + "=" * (-len(encoded) % _QUANTUM)).decode("utf-8", "replace")


def _sha256(meter: Meter, value: Any, *_: Any) -> str:
    return hashlib.sha256(_bytes(meter, value)).hexdigest()


def _hmac_sha256(meter: Meter, value: Any, key: Any = UNDEFINED, *_: Any) -> str:
    return hmac.new(_bytes(meter, key), _bytes(meter, value), "sha256").hexdigest()


def _to_integer(meter: Meter, value: Any, *_: Any) -> float:
    return to_number(value, meter)


def _raw(_meter: Meter, value: Any, *_: Any) -> Any:
    return value


ENCODINGS: Final[Mapping[str, Callable[..., Any]]] = {
    "base64_decode": _base64_decode,
    "base64_encode": _base64_encode,
    "hmac_sha256": _hmac_sha256,
    "inspect": _json,
    "json": _json,
    "jsonify": _json,
    "raw": _raw,
    "sha256": _sha256,
    "to_integer": _to_integer,
}
