"""Asks Loops whether API keys are good, and whose they are: what `segue check --online` and `segue doctor` do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from segue_worker.config import Destination
from segue_worker.loops import Answer, LoopsClient, NoAnswerError


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What Loops says about a destination's API key.

    Attributes:
        destination: its name.
        team: name of the team the key belongs to; "" where Loops did not say.
        problem: what is wrong; "" where the key is good.
        advice: what to do about it.
    """

    destination: str
    team: str
    problem: str = ""
    advice: str = ""


async def check_keys(destinations: Sequence[Destination]) -> list[KeyCheck]:
    """Ask about each key once, one request after the other."""
    asked: dict[tuple[str, str], KeyCheck] = {}
    checks = []
    for each in destinations:
        team = each.base_url, each.api_key.get_secret_value()
        if team not in asked:
            asked[team] = await _ask(each)
        checks.append(replace(asked[team], destination=each.name))
    return checks


async def _ask(destination: Destination) -> KeyCheck:
    """Ask once. No word of the answer but the team's name is repeated: it might quote the key."""
    name, address = destination.name, destination.base_url
    timeout = destination.timeout.total_seconds()
    async with LoopsClient(address, destination.api_key.get_secret_value(), timeout=timeout) as client:
        try:
            answer = await client.check_key()
        except NoAnswerError as error:
            return KeyCheck(name, "", f"{address}: {error}", "check the network, a proxy on the way, and `base_url`")
    said = _object(answer)
    match answer.status:
        case 401 | 403:
            advice = "make one (Loops: Settings, API), and put it where `api_key` or `api_key_file` takes it from"
            return KeyCheck(name, "", f"Loops refuses the API key ({answer.status})", advice)
        case 408 | 429 | 500 | 502 | 503 | 504:
            return KeyCheck(name, "", f"Loops cannot say now ({answer.status})", "try again in a moment")
        case _ if not answer.delivered or said.get("success") is not True:
            problem = f"{address} does not answer as the Loops API does ({answer.status})"
            return KeyCheck(name, "", problem, "correct `base_url`")
    return KeyCheck(name, str(said.get("teamName") or ""))


def _object(answer: Answer) -> dict[str, Any]:
    try:
        said = orjson.loads(answer.text)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
