"""The `/_sandbox` endpoints, which show what happened and change how the sandbox behaves. They are not rate limited."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import wraps
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from segue_producer.errors import SegueError
from segue_sandbox.address import CONTROL_PREFIX
from segue_sandbox.answers import html_answer
from segue_sandbox.core import Sandbox
from segue_sandbox.faults import InjectedFault
from segue_sandbox.store import MailingList
from segue_sandbox.switches import SwitchError
from segue_sandbox.views import contact_records, event_records, summary

_CHUNK = 500
_LONGEST_NUMBER = 15


class ControlError(SegueError):
    """A `/_sandbox` request is malformed."""


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _MoveClock(_Command):
    seconds: float = Field(ge=0)


class _ApiKey(_Command):
    api_key: str


class _LeaveList(_Command):
    list: str
    email: str | None = None
    user_id: Annotated[str | None, Field(alias="userId")] = None
    team: str | None = None


class _Suppress(_Command):
    email: str | None = None
    user_id: Annotated[str | None, Field(alias="userId")] = None
    team: str | None = None


class _NewList(_Command):
    id: str
    name: str
    description: str | None = None
    is_public: Annotated[bool, Field(alias="isPublic")] = True


_faults = TypeAdapter(list[InjectedFault] | InjectedFault)
_new_lists = TypeAdapter(list[_NewList])
_switches = TypeAdapter(dict[str, Any])
Endpoint = Callable[[HttpRequest], Awaitable[Response]]


def control_app(sandbox: Sandbox) -> Starlette:
    """The ASGI application that serves `/_sandbox` for one sandbox."""
    control = _Control(sandbox)

    def route(path: str, method: Literal["GET", "POST"], endpoint: Endpoint) -> Route:
        return Route(f"{CONTROL_PREFIX}/{path}", _explained(endpoint), methods=[method])

    return Starlette(
        routes=[
            route("requests", "GET", control.requests),
            route("contacts", "GET", control.contacts),
            route("events", "GET", control.events),
            route("summary", "GET", control.summary),
            route("faults", "GET", control.show_faults),
            route("faults", "POST", control.set_faults),
            route("switches", "GET", control.show_switches),
            route("switches", "POST", control.set_switches),
            route("lists", "POST", control.add_lists),
            route("leave-list", "POST", control.leave_list),
            route("suppress", "POST", control.suppress),
            route("clock", "POST", control.move_clock),
            route("revoke", "POST", control.revoke),
            route("restore", "POST", control.restore),
            route("reset", "POST", control.reset),
        ],
        exception_handlers={404: _not_found},
    )


class _Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def requests(self, request: HttpRequest) -> Response:
        records = self._sandbox.ledger.records(
            since=_number(request, "since") or 0, limit=_number(request, "limit"), team=_team(request)
        )
        return StreamingResponse(_json_array(records), media_type="application/json")

    async def contacts(self, request: HttpRequest) -> Response:
        return StreamingResponse(
            _json_array(contact_records(self._sandbox, _team(request))), media_type="application/json"
        )

    async def events(self, request: HttpRequest) -> Response:
        return StreamingResponse(
            _json_array(event_records(self._sandbox, _team(request))), media_type="application/json"
        )

    async def summary(self, request: HttpRequest) -> Response:
        return _json(summary(self._sandbox, _team(request)))

    async def show_faults(self, _: HttpRequest) -> Response:
        return _json(self._sandbox.faults.describe())

    async def set_faults(self, request: HttpRequest) -> Response:
        faults = _faults.validate_python(await _read(request))
        if isinstance(faults, InjectedFault):
            self._sandbox.faults.add(faults)
        else:
            self._sandbox.faults.replace(faults)
        return await self.show_faults(request)

    async def show_switches(self, _: HttpRequest) -> Response:
        return _json(self._sandbox.switches.model_dump())

    async def set_switches(self, request: HttpRequest) -> Response:
        self._sandbox.change_switches(_switches.validate_python(await _read(request)))
        return await self.show_switches(request)

    async def add_lists(self, request: HttpRequest) -> Response:
        for new in _new_lists.validate_python(await _read(request)):
            self._sandbox.lists[new.id] = MailingList(new.id, new.name, new.description, is_public=new.is_public)
        return _json(sorted(self._sandbox.lists))

    async def leave_list(self, request: HttpRequest) -> Response:
        command = _LeaveList.model_validate(await _read(request))
        self._sandbox.leave_list(command.list, email=command.email, user_id=command.user_id, team=command.team)
        return _json({})

    async def suppress(self, request: HttpRequest) -> Response:
        self._sandbox.suppress(**_Suppress.model_validate(await _read(request)).model_dump())
        return _json({})

    async def move_clock(self, request: HttpRequest) -> Response:
        self._sandbox.clock.move(_MoveClock.model_validate(await _read(request)).seconds)
        return _json({"offset": self._sandbox.clock.offset})

    async def revoke(self, request: HttpRequest) -> Response:
        self._sandbox.keys.revoke(_ApiKey.model_validate(await _read(request)).api_key)
        return _json({})

    async def restore(self, request: HttpRequest) -> Response:
        self._sandbox.keys.restore(_ApiKey.model_validate(await _read(request)).api_key)
        return _json({})

    async def reset(self, _: HttpRequest) -> Response:
        self._sandbox.reset()
        return _json({})


def _explained(endpoint: Endpoint) -> Endpoint:
    """Turn the errors of a malformed command into a 400 that explains them."""

    @wraps(endpoint)
    async def answer(request: HttpRequest) -> Response:
        try:
            return await endpoint(request)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}".lstrip(": ") for each in error.errors())
            return _json({"error": "; ".join(problems)}, status=400)
        except (ControlError, SwitchError, LookupError) as error:
            return _json({"error": str(error)}, status=400)

    return answer


async def _read(request: HttpRequest) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise ControlError("the body is not JSON") from None


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise ControlError(f"{name} must be a whole number, not {text[:_LONGEST_NUMBER]}")
    return int(text)


def _team(request: HttpRequest) -> str | None:
    return request.query_params.get("team")


def _json(value: object, *, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


async def _json_array(items: Iterable[object]) -> AsyncIterator[bytes]:
    """A JSON array in chunks, with a turn for other requests between them: a long ledger must not hold up the API."""
    chunk: list[str] = []
    lead = "["
    for item in items:
        chunk.append(json.dumps(item))
        if len(chunk) == _CHUNK:
            yield (lead + ",\n".join(chunk)).encode()
            chunk, lead = [], ",\n"
            await asyncio.sleep(0)
    yield ((lead if chunk or lead == "[" else "") + ",\n".join(chunk) + "]").encode()


async def _not_found(_: HttpRequest, __: Exception) -> Response:
    page = html_answer(404, "404: This page could not be found.")
    return HTMLResponse(page.body, page.status)
