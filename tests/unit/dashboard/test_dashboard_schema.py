"""The page and the preview say what Loops does not know."""

import json

from fakeredis import FakeRedis

from segue_worker.schema.known import Known

from .conftest import KEYS, HttpVisitor


async def test_names_that_loops_does_not_know_come_first_and_the_preview_marks_them(
    visitor: HttpVisitor, redis: FakeRedis
) -> None:
    assert "Loops was not asked yet" in (await visitor.get("/schema")).text
    sent = {
        "pcity": ["s", 28_000_000, 3, "0000"],
        "pfavouriteColour": ["s", 28_000_000, 2, "0000"],
        "!": ["", 0, 0, ""],
    }
    redis.set(KEYS.sent, json.dumps(sent))
    redis.set(KEYS.known, Known(at=1, problem="503 for ada@example.com", properties={"city": "string"}).to_json())
    text = (await visitor.get("/schema")).text
    assert text.index("favouriteColour") < text.index("city</th>")
    assert "1 unknown or of another type" in text
    assert "503 for" in text
    assert "ada@example.com" not in text
    event = {"type": "identify", "userId": "u1", "traits": {"city": "x", "favouriteColour": "y"}}
    answer = await visitor.post("/mappings/preview", {"destination": "loops", "event": json.dumps(event)})
    assert "favouriteColour: noticed: Loops does not know it" in answer.text
    assert "city: noticed" not in answer.text
