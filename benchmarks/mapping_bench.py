"""How long a mapping takes per event: compiled, against the plain interpreter of `naive_mapping`.

    python -m benchmarks.mapping_bench [--json FILE]

Both are first held to the recorded cases of tests/conformance, then timed on the same events.
"""

import argparse
import json
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import naive_mapping
from segue_worker.errors import MappingError, PayloadError, TriggerError
from segue_worker.mapping import UNDEFINED, compile_destination_mapping, compile_mapping, default_fields, encode_body
from segue_worker.mapping.json_text import encode

_CASES = Path(__file__).parent.parent / "tests" / "conformance" / "cases"
_ROUNDS = 5
_SECONDS = 0.2

_IDENTIFY: dict[str, Any] = {
    "type": "identify",
    "userId": "user-1",
    "messageId": "m-1",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "traits": {
        "email": "ada@example.com",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "favoriteColor": "blue",
        "favoriteNumber": 42,
        "mailingLists": {"list-1": True},
    },
    "context": {"library": {"name": "analytics-python", "version": "2.3.2"}},
}
_TRACK: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "user-1",
    "messageId": "m-2",
    "properties": {"email": "ada@example.com", "plan": "pro", "total": 30, "products": [{"id": 1}, {"id": 2}]},
}
_RICH: dict[str, Any] = {
    "customAttributes": {
        "@merge": {
            "direction": "right",
            "objects": [{"@path": "$.traits"}, {"segment": {"@template": "{{type}}-{{userId}}"}}],
        }
    },
    "firstName": {"@case": {"operator": "upper", "value": {"@path": "$.traits.firstName"}}},
    "lastName": {"@replace": {"pattern": "l", "replacement": "L", "value": {"@path": "$.traits.lastName"}}},
    "source": {"@liquid": "{% if traits.email contains '@' %}{{ traits.firstName | downcase }}{% endif %}"},
    "userId": {"@path": "$.userId"},
}
_SCENES: list[tuple[str, str, str | None, dict[str, Any] | None, dict[str, Any]]] = [
    ("identify, default mapping", "createOrUpdateContact", None, None, _IDENTIFY),
    ("track, default mapping", "sendEvent", 'type = "track" and event = "Order Completed"', None, _TRACK),
    ("track that does not match", "createOrUpdateContact", None, None, _TRACK),
    ("identify, five directives", "createOrUpdateContact", None, _RICH, _IDENTIFY),
]


def _microseconds(run: Callable[[], object]) -> float:
    """Time one call: the best of several rounds, each a fraction of a second long."""
    timer = timeit.Timer(run)
    number, taken = timer.autorange()
    number = max(1, int(number * _SECONDS / max(taken, 1e-9)))
    return min(timer.repeat(repeat=_ROUNDS, number=number)) / number * 1e6


def _outcome(transform: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """Return a result as JSON text that compares: keys sorted, 1.0 as 1."""
    try:
        result = transform(*arguments)
    except (MappingError, PayloadError, TriggerError):
        return _comparable("error")
    return _comparable("undefined" if result is UNDEFINED else result)


def _comparable(value: Any) -> str:
    return json.dumps(json.loads(encode(value)), sort_keys=True)


def check_conformance() -> int:
    """Hold both to the recorded mappings whose result does not depend on Segment's runtime; return how many."""
    checked = 0
    for line in (_CASES / "mapping.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case.get("loose"):
            continue
        arguments = (case["input"]["payload"],) if "payload" in case["input"] else ()
        mapping = case["input"]["mapping"]
        expected = case["expected"].get("result", "error" if "error" in case["expected"] else "undefined")
        if {_outcome(_naive(mapping), arguments), _outcome(_compiled(mapping), arguments)} != {_comparable(expected)}:
            sys.exit(f"{case['id']}: one of the two is not what Segment does")
        checked += 1
    return checked


def _naive(mapping: dict[str, Any]) -> Callable[..., Any]:
    return lambda *arguments: naive_mapping.transform(mapping, *arguments)


def _compiled(mapping: dict[str, Any]) -> Callable[..., Any]:
    # Compiled inside the call: where Segment fails, compiling may.
    return lambda *arguments: compile_mapping(mapping)(*arguments)  # noqa: PLW0108 - see above


def _scene(
    label: str, action: str, trigger: str | None, fields: dict[str, Any] | None, event: dict[str, Any]
) -> dict[str, Any]:
    compiled = compile_destination_mapping(
        name="bench", action=action, trigger=trigger, enabled=True, defaults=fields is None, fields=fields or {}
    )
    mapping = default_fields(compiled.action) if fields is None else fields
    text = compiled.trigger.text

    def naive() -> object:
        return naive_mapping.render(action=action, trigger=text, fields=mapping, event=event)

    request, plain = (
        compiled.render(event),
        naive_mapping.render(action=action, trigger=text, fields=mapping, event=event),
    )
    if (request and request.body) != (plain and plain.body):
        sys.exit(f"{label}: the two make different requests")
    ours, theirs = _microseconds(lambda: compiled.render(event)), _microseconds(naive)
    encoding = 0.0 if request is None else _microseconds(lambda: encode_body(request.body))
    return {
        "case": label,
        "compiled_us": round(ours, 2),
        "naive_us": round(theirs, 2),
        "ratio": round(theirs / ours, 1),
        "encode_us": round(encoding, 2),
    }


def measure_scenes() -> list[dict[str, Any]]:
    """Time every scene: microseconds of both, and of encoding the body."""
    return [_scene(*scene) for scene in _SCENES]


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the results to FILE too")
    options = parser.parse_args()
    checked = check_conformance()
    rows = measure_scenes()
    print(f"mapping, per event (both agree with {checked} recorded cases)")
    print(f"{'':28}{'compiled':>12}{'interpreted':>14}{'ratio':>8}{'encode body':>14}")
    for row in rows:
        print(
            f"{row['case']:28}{row['compiled_us']:>9.1f} µs{row['naive_us']:>11.1f} µs{row['ratio']:>7.1f} x{row['encode_us']:>11.1f} µs"
        )
    if options.json:
        result = {"benchmark": "mapping", "cases_checked": checked, "results": rows}
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
