"""The answers that a client gets in place of, or because of, an injected fault."""

from http import HTTPStatus
from http.client import responses

from segue_sandbox.answers import (
    TEXT_TYPE,
    HttpAnswer,
    error_answer,
    html_answer,
    too_many_requests,
    unauthorized,
)
from segue_sandbox.faults import InjectedFault
from segue_sandbox.request import ApiRequest
from segue_sandbox.switches import Switches

_TIMED_OUT = 504


def fault_answer(fault: InjectedFault, switches: Switches, request: ApiRequest) -> HttpAnswer:
    """The answer of a fault that keeps the request from the API."""
    status = _TIMED_OUT if fault.kind == "delay_before_apply" else fault.status
    answer = _with_body(fault, status, switches, request)
    if fault.retry_after is not None:
        return answer._replace(headers=(("retry-after", str(fault.retry_after)),))
    return answer


def spoil(answer: HttpAnswer, fault: InjectedFault) -> HttpAnswer:
    """The API's own answer, changed as the fault demands."""
    if fault.kind == "invalid_json":
        return answer._replace(status=200, body=b"<html>It worked, but this is no JSON", content_type="text/html")
    return answer


def _with_body(fault: InjectedFault, status: int, switches: Switches, request: ApiRequest) -> HttpAnswer:
    phrase = responses.get(status, "Unknown Error")
    if fault.body == "empty":
        return HttpAnswer(status, b"", None)
    if fault.body == "html":
        return html_answer(status, f"{status}: {phrase}")
    if fault.body == "text":
        return HttpAnswer(status, phrase.encode(), TEXT_TYPE)
    if status == HTTPStatus.TOO_MANY_REQUESTS and fault.body == "json":
        return too_many_requests(switches, request.arrival)
    if status == HTTPStatus.UNAUTHORIZED and fault.body == "json":
        return unauthorized()
    quoted = f": {request.body.decode(errors='replace')}" if fault.body == "quote" else ""
    return error_answer(status, phrase + quoted, switches)
