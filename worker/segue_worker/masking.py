"""Hides personal data until somebody asks for it. Pure."""

import json
import re
from typing import Any, Final

HIDDEN: Final = "•••"
_EMAIL: Final = re.compile(r"[^\s\"'<>@,;:]+@[^\s\"'<>@,;:]*[^\s\"'<>@,;:.]")
_LONG = 8
_SAYS_NOTHING_OF_A_PERSON: Final = frozenset({"type", "event", "eventName", "messageId"})
"""Top-level fields of an event or a request that stay readable."""


def mask_contact(contact: str) -> str:
    """A contact shortened so that only somebody who knows it recognises it: `a•••@e•••.com`, `us•••42`."""
    if "@" in contact:
        return _mask_email(contact)
    if contact.startswith("blake2b:"):
        return contact[:12] + HIDDEN
    return f"{contact[:2]}{HIDDEN}{contact[-2:]}" if len(contact) >= _LONG else f"{contact[:1]}{HIDDEN}"


def mask_text(text: str) -> str:
    """A text with the email addresses in it masked."""
    return _EMAIL.sub(lambda found: _mask_email(found.group()), text)


def plain_answer(text: str) -> str:
    """Shorten an answer like `503 {"success":false,"message":"Service Unavailable"}` to `503 Service Unavailable`."""
    head, brace, rest = text.partition("{")
    try:
        said = json.loads(brace + rest)["message"]
    except (ValueError, KeyError):
        return text
    return f"{head}{said}" if isinstance(said, str) else text


def mask_json(text: str) -> str:
    """JSON with its shape, names and booleans kept and every other value hidden. Text that is not JSON is hidden whole."""
    try:
        value = json.loads(text)
    except ValueError:
        return HIDDEN
    if isinstance(value, dict):
        value = {
            mask_text(name): mask_text(each)
            if name in _SAYS_NOTHING_OF_A_PERSON and isinstance(each, str)
            else _masked(each)
            for name, each in value.items()
        }
    else:
        value = _masked(value)
    return pretty(value)


def show_json(text: str) -> str:
    """JSON, indented. Text that is not JSON is left as it is."""
    try:
        return pretty(json.loads(text))
    except ValueError:
        return text


def pretty(value: Any) -> str:
    """A JSON value, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {mask_text(name): _masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return value if value is None or isinstance(value, bool) else HIDDEN


def _mask_email(address: str) -> str:
    name, _, host = address.partition("@")
    end = host.rpartition(".")[2] if "." in host else ""
    return f"{name[:1]}{HIDDEN}@{host[:1]}{HIDDEN}" + (f".{end}" if end else "")
