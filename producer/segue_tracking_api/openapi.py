"""Describes the endpoint, as OpenAPI and as an HTML page that loads nothing from elsewhere."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from segue_producer.events import MAX_MESSAGE_ID
from segue_tracking_api.limits import MAX_EVENTS, Limits

BATCH_PATHS: Final = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch")
CALL_PATHS: Final = {
    f"/v1/{name}": call
    for call in ("identify", "track", "page", "screen", "group", "alias")
    for name in (call, call[0])
}
"""The call of each path. Browsers use only the first letter."""

_TITLE: Final = "Segue Tracking API"
_ABOUT: Final = (
    "Accepts what Segment and RudderStack SDKs send. identify and track events are stored for delivery before the answer "
    "200; page, screen, group and alias are accepted and dropped. The body is JSON whatever its Content-Type, and may be "
    "gzipped. The write key is the user name of HTTP Basic, a Bearer token, `writeKey` in the query, or `writeKey` in "
    "the body."
)
_REFUSALS: Final = {
    "400": "The body is not a JSON object, not a batch, not valid gzip, or a single event that is too large.",
    "401": "The write key is missing or not known.",
    "403": "A page of this origin may not send.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large.",
    "415": "The Content-Encoding is not gzip.",
    "500": "The server has a fault.",
}


def openapi_description(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI description, as values that can be written as JSON."""
    paths: dict[str, Any] = {path: _post("Take a batch of events", "Batch", path) for path in BATCH_PATHS}
    for path, call in CALL_PATHS.items():
        paths[path] = _post(f"Take one {call} event", "Event", path)
    paths["/healthz"] = _get("Whether the process answers", {"200": _answer("It does.", "State")})
    unready = _answer("Redis does not answer.", "Error")
    paths["/readyz"] = _get("Whether events can be stored", {"200": _answer("They can.", "State"), "503": unready})
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "writeKeyAsUser": {"type": "http", "scheme": "basic"},
                "writeKeyAsToken": {"type": "http", "scheme": "bearer"},
                "writeKeyInQuery": {"type": "apiKey", "in": "query", "name": "writeKey"},
            },
            "schemas": _schemas(limits),
        },
    }


def docs_page(description: dict[str, Any]) -> str:
    """Return the description as HTML, without scripts, fonts or anything else that would be loaded."""
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code></td><td>{escape(operation['summary'])}</td>"
        f"<td>{escape(', '.join(operation['responses']))}</td></tr>"
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    )
    refusals = "".join(f"<li>{status}: {escape(text)}</li>" for status, text in _all_refusals())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_TITLE}</title>'
        "<style>body{font:16px sans-serif;margin:2em;max-width:60em}td{padding:.2em 1em .2em 0}</style>"
        f"<h1>{_TITLE}</h1><p>{escape(_ABOUT)}</p><table>{rows}</table>"
        f"<h2>Errors</h2><p>Each is JSON with <code>code</code> and <code>message</code>.</p><ul>{refusals}</ul>"
        '<p>For programs: <a href="openapi.json">openapi.json</a></p></html>'
    )


def _all_refusals() -> Iterator[tuple[str, str]]:
    yield from _REFUSALS.items()
    yield "503", "Events cannot be stored at the moment; try again after the number of seconds in Retry-After."


def _post(summary: str, schema: str, path: str) -> dict[str, Any]:
    responses = {"200": _answer("The accepted events are stored.", "Success")}
    responses |= {status: _answer(text, "Error") for status, text in _all_refusals()}
    responses["503"]["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1, "maximum": 300}}}
    operation = {
        "operationId": "post" + path.replace("/", "_"),
        "summary": summary,
        "security": [{"writeKeyAsUser": []}, {"writeKeyAsToken": []}, {"writeKeyInQuery": []}, {}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(schema)}}},
        "responses": responses,
    }
    return {"post": operation}


def _get(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": responses}}


def _answer(text: str, schema: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _reference(schema)}}}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _schemas(limits: Limits) -> dict[str, Any]:
    text, obj, number = {"type": "string"}, {"type": ["object", "null"]}, {"type": "integer"}
    identity, moment = {"type": ["string", "number", "null"]}, {"type": ["string", "null"], "format": "date-time"}
    event = {
        "type": "object",
        "description": f"At most {limits.event_bytes} bytes. Fields that are not named here are kept.",
        "properties": {
            "type": text,
            "messageId": {"type": ["string", "null"], "maxLength": MAX_MESSAGE_ID},
            "userId": identity,
            "anonymousId": identity,
            "event": text,
            "traits": obj,
            "properties": obj,
            "context": obj,
            "integrations": obj,
            "timestamp": moment,
            "originalTimestamp": moment,
            "sentAt": moment,
        },
    }
    batch = {
        "type": "object",
        "description": f"At most {limits.batch_bytes} bytes. `context` and `integrations` go into every event.",
        "required": ["batch"],
        "properties": {
            "batch": {"type": "array", "maxItems": MAX_EVENTS, "items": _reference("Event")},
            "writeKey": text,
            "sentAt": moment,
            "context": obj,
            "integrations": obj,
        },
    }
    rejected = {
        "type": "object",
        "required": ["index", "messageId", "code", "message"],
        "properties": {"index": number, "messageId": {"type": ["string", "null"]}, "code": text, "message": text},
    }
    success = {
        "type": "object",
        "description": "With details only where something was not accepted.",
        "required": ["success"],
        "properties": {
            "success": {"const": True},
            "accepted": number,
            "dropped": {"type": "object", "additionalProperties": number},
            "rejected": {"type": "array", "items": rejected},
        },
    }
    error = {
        "type": "object",
        "required": ["success", "code", "message"],
        "properties": {"success": {"const": False}, "code": text, "message": text},
    }
    state = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
    return {"Event": event, "Batch": batch, "Success": success, "Error": error, "State": state}
