"""Many teams in one worker: what one does not cost another, and what idle ones cost."""

import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.integration.stack import Stack

from benchmarks.backlog import resident_mb
from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import identify
from segue_producer import Producer

LIMIT = 10
TEAMS = 60
WARM_S = 8.0
"""Until the busy ones have filled their window, and the worker's clients are made."""
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def _names(teams: int) -> list[str]:
    return [f"team-{number:03}" for number in range(teams)]


def _fill(stack: Stack, names: Sequence[str], each: int) -> None:
    """Let so many contacts of each team wait."""
    for name in names:
        with Producer(stack.server.url, (name,)) as producer:
            producer.enqueue([identify(f"{name}-busy-{number}", f"{name}-{number}") for number in range(each)])


def _singles(stack: Stack, names: Sequence[str], seconds: float) -> dict[str, float]:
    """Enqueue single events of these teams for a while. Gives contact → when."""
    chance, sent = random.Random(1), dict[str, float]()
    producers = [Producer(stack.server.url, (name,)) for name in names]
    until = time.time() + seconds
    while time.time() < until:
        number = len(sent)
        contact = f"single-{number}"
        sent[contact] = time.time()
        producers[number % len(names)].enqueue([identify(contact, f"{contact}-0")])
        time.sleep(chance.uniform(0.2, 0.5))
    for producer in producers:
        producer.close()
    # Those who are late are counted as late, and not left out.
    time.sleep(5)
    return sent


def _contact(record: Mapping[str, Any]) -> str:
    return str((record["body"] or {}).get("userId"))


def _waits(sent: Mapping[str, float], records: Sequence[Mapping[str, Any]], ended: float) -> list[float]:
    """Seconds from each event to its request; to the end where it has not come."""
    first: dict[str, float] = {}
    for record in records:
        first.setdefault(_contact(record), record["at"])
    return [first.get(contact, ended) - at for contact, at in sent.items()]


def beside_others(others: int, *, teams: int = TEAMS, hang: bool = False, seconds: float = 30) -> dict[str, Any]:
    """Single events of some teams, beside others that are busy, or of which Loops does not answer."""
    warm = 0.0 if hang else WARM_S
    with new_stack(rate_limit=LIMIT) as stack:
        names = _names(teams)
        stack.add_destinations(names)
        if hang:
            stack.sandbox.faults([{"kind": "delay_before_apply", "delay_ms": 60_000, "body_matches": "-busy-"}])
        _fill(stack, names[:others], round(LIMIT * (seconds + warm + 4)))
        stack.worker()
        time.sleep(warm)
        began = time.time()
        sent = _singles(stack, names[others:], seconds)
        ended = began + seconds
        records, summary = stack.sandbox.requests(), stack.sandbox.summary()
        waits = _waits(sent, records, time.time())
    busy = sum(began <= record["at"] < ended and "-busy-" in _contact(record) for record in records)
    return {"waits": waits, "use": busy / (seconds * LIMIT * others), "429s": summary["rate_limited"]}


def _cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def idle(teams: int, *, seconds: float = 20) -> dict[str, float]:
    """What a worker costs that serves so many teams, none of which has anything to do."""
    with new_stack(rate_limit=LIMIT) as stack:
        stack.add_destinations(_names(teams))
        worker = stack.worker()
        start = _cpu_s(worker.pid)
        time.sleep(5)
        commands, cpu, began = _commands(stack), _cpu_s(worker.pid), time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - began
        return {
            "start": start,
            "memory": resident_mb([worker.pid]),
            "commands": (_commands(stack) - commands) / took,
            "cpu": (_cpu_s(worker.pid) - cpu) / took,
        }


def _commands(stack: Stack) -> int:
    return int(stack.redis.info("stats")["total_commands_processed"])


def rows(*, teams: int = TEAMS, seconds: float = 30, idle_teams: int = 300) -> list[Row]:
    """Five of six teams busy; two of three hanging, from the worker's start; many idle."""
    busy, hanging = 5 * teams // 6, 2 * teams // 3
    beside_busy = beside_others(busy, teams=teams, seconds=seconds)
    beside_hanging = beside_others(hanging, teams=teams, seconds=seconds, hang=True)
    quiet = idle(idle_teams, seconds=seconds)
    where = {"limit of each": f"{LIMIT}/s", "samples": len(beside_busy["waits"])}
    found = [
        Row("busy teams' use of their limits", f"{busy} of {teams}", [beside_busy["use"]], "", 0.9, detail=where),
        Row("429s meanwhile", f"{busy} of {teams}", [float(beside_busy["429s"])], "", 0, "lower"),
    ]
    for seen, who in ((beside_busy, f"{busy} of {teams} busy"), (beside_hanging, f"{hanging} of {teams} hanging")):
        waits = seen["waits"]
        detail = {"longest": round(max(waits), 2)}
        found += [
            Row("single events of the others, p50", who, [median(waits)], "s", 0.1, "lower", detail),
            Row("single events of the others, p95", who, [quantiles(waits, n=20)[18]], "s", 1, "lower"),
        ]
    many, detail = f"{idle_teams} idle teams", {"CPU while idle": f"{quiet['cpu']:.1%}"}
    return [
        *found,
        Row("a worker's CPU to start", many, [quiet["start"]], "s", 3, "lower", detail),
        Row("a worker's memory", many, [quiet["memory"]], "MB", 150, "lower"),
        Row("Redis commands a second", many, [quiet["commands"]], "", 400, "lower"),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
