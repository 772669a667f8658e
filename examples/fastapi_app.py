"""FastAPI: `uvicorn fastapi_app:app` in this folder. `AsyncProducer` does not block the event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from segue_producer import AsyncProducer, EnqueueError, InvalidEvent

segue = AsyncProducer()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the connections when the server stops."""
    async with segue:
        yield


app = FastAPI(lifespan=lifespan)


class Upgrade(BaseModel):
    """What a client posts."""

    user_id: str
    email: str
    plan: str


@app.post("/upgrades", status_code=202)
async def upgrade(wanted: Upgrade) -> dict[str, str]:
    """Answer 202 only when the events are in the outbox."""
    try:
        # Loops makes a contact only where it is told an email, and refuses events of contacts it does not have.
        await segue.identify(wanted.user_id, {"email": wanted.email, "plan": wanted.plan})
        message_id = await segue.track(wanted.user_id, "Plan Upgraded", {"plan": wanted.plan})
    except InvalidEvent as error:
        raise HTTPException(422, str(error)) from error
    except EnqueueError as error:
        raise HTTPException(503, "try again later") from error
    return {"messageId": message_id}
