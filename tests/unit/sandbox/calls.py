"""Shorthands for the calls and answers that the sandbox's tests are about."""

from typing import Any

import httpx

from segue_sandbox.store import DEFAULT_LISTS

ADA = "ada@example.com"
NEWS, PRODUCT = DEFAULT_LISTS[0].id, DEFAULT_LISTS[1].id

Json = Any


def answer(response: httpx.Response) -> tuple[int, Json]:
    return response.status_code, response.json()


def refused(status: int, message: str) -> tuple[int, Json]:
    return status, {"success": False, "message": message}


def update(api: httpx.Client, **body: Json) -> httpx.Response:
    return api.put("/contacts/update", json=body)


def send(api: httpx.Client, key: str | None = None, **body: Json) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/events/send", json={"eventName": "Signed Up", **body}, headers=headers)


def find(api: httpx.Client, **by: str) -> Json:
    return api.get("/contacts/find", params=by).json()[0]


FIELDS = {
    *(
        "id",
        "email",
        "firstName",
        "lastName",
        "source",
        "subscribed",
        "userGroup",
        "userId",
        "mailingLists",
        "optInStatus",
    )
}
