"""What strikes: each kind of fault, and how all of them end."""

from typing import TYPE_CHECKING

from tests.simulation.loop import NOBODY
from tests.simulation.loops_link import Climate
from tests.simulation.plan import renamed
from tests.simulation.redis_link import Weather

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

HOURS = (-5.0, -1.0, 1.0, 5.0)
CLOCK_STAYS_S = 5.0
"""A server's clock is not set again and again within the time of a heartbeat."""
WAITS = ("", "0", "1", "7")
LONG_WAITS = ("600", "999999999", "Fri, 31 Dec 2099 23:59:59 GMT")


def strike(world: "World", kind: str) -> None:
    """Let a fault of a kind happen now."""
    world.tell(f"*** {kind}")
    _STRIKES[kind](world)


def end(world: "World") -> None:
    """Let all faults end. Clocks stay as they are."""
    world.tell("*** faults end")
    world.link.weather = Weather()
    world.server.full = False
    world.broker.lost = world.broker.doubled = 0.0
    for process in world.processes:
        process.kill_in = None
        process.stopped_until = 0.0
    for team in world.teams.values():
        team.climate = Climate(world.plan.loops_latency_s)
        team.sandbox.keys.restore()
        team.sick = None
    world.person.do(world.person.resume)


def _later(world: "World", least: float, most: float, what: "Callable[[], None]") -> None:
    """Undo something after a while, unless faults have ended by then."""
    random = world.random("faults")

    def undo() -> None:
        if world.calm_from is None:
            what()

    world.loop.call_later(random.uniform(least, most), undo, context=NOBODY)


def _kill(world: "World") -> None:
    random = world.random("faults")
    alive = [process for process in world.processes if process.alive]
    workers = [process for process in alive if process.name.startswith("w")]
    if not workers:
        return
    process = random.choice(workers if workers and random.random() < 0.8 else alive)
    process.kill_in = random.randint(1, random.choice((20, 300, 3000)))


def _terminate(world: "World") -> None:
    worker = world.random("faults").choice(world.workers)
    if worker.process.alive:
        worker.stop()


def _stop(world: "World") -> None:
    random = world.random("faults")
    process = random.choice(world.workers).process
    process.stood_still = True
    process.stopped_until = world.loop.time() + random.choice((0.5, 3.0, 8.0, 40.0))


def _redis_away(world: "World") -> None:
    weather = world.link.weather
    weather.away = True

    def back() -> None:
        world.server.restart()
        weather.away = False

    _later(world, *world.random("faults").choice(((0.05, 0.5), (1.0, 8.0), (8.0, 40.0))), back)


def _redis_hangs(world: "World") -> None:
    seconds = world.random("faults").choice((0.5, 2.0, 4.8, 5.5, 12.0))
    world.link.weather.hangs_until = world.loop.time() + seconds


def _redis_slow(world: "World") -> None:
    random = world.random("faults")
    weather = world.link.weather
    usual = Weather().latency_s
    weather.latency_s = random.choice(((0.01, 0.05), (0.02, 0.4), (0.0, 1.5)))
    _later(world, 2.0, 20.0, lambda: setattr(weather, "latency_s", usual))


def _redis_lossy(world: "World") -> None:
    random = world.random("faults")
    weather = world.link.weather
    weather.lost_before, weather.lost_after = random.choice(((0.05, 0.0), (0.0, 0.05), (0.1, 0.1), (0.3, 0.3)))
    _later(world, 2.0, 20.0, lambda: weather.__dict__.update(lost_before=0.0, lost_after=0.0))


def _redis_older(world: "World") -> None:
    """Redis comes back from an append-only file that misses the last second."""
    random = world.random("faults")
    began, snapshot = world.loop.time(), world.server.snapshot()
    weather = world.link.weather

    def crash() -> None:
        world.tell("*** Redis is back as it was then")
        world.truth.lost.append((began, world.loop.time()))
        weather.away = True
        world.server.restart(snapshot)
        world.loop.call_later(random.uniform(0.1, 2.0), back, context=NOBODY)

    def back() -> None:
        weather.away = False

    _later(world, 0.05, 1.0, crash)


def _redis_clock(world: "World") -> None:
    random = world.random("faults")
    step = random.choice(HOURS) * 3600 * random.random() if random.random() < 0.7 else random.uniform(-30, 30)
    steps, now = world.redis_clock_steps, world.loop.time()
    if steps and now < steps[-1] + CLOCK_STAYS_S:
        return
    steps.append(now)
    world.redis_clock_s = step
    world.tell(f"Redis's clock is {step:.1f} s off")


def _worker_clock(world: "World") -> None:
    random = world.random("faults")
    worker = random.choice(world.workers)
    step = random.choice(HOURS) * 3600 * random.random() if random.random() < 0.7 else random.uniform(-30, 30)
    world.worker_clock_s[world.workers.index(worker)] = step
    worker.process.clock_s = step
    world.tell(f"the clock of {worker.process} is {step:.1f} s off")


def _swallow(world: "World") -> None:
    """A cancellation is swallowed where a call is under way, so calls take their time."""
    random = world.random("faults")
    weather = world.link.weather
    weather.swallows = random.choice((0.1, 1.0))
    weather.latency_s = random.choice(((0.001, 0.01), (0.02, 0.1), (0.05, 0.3)))


def _hints(world: "World") -> None:
    random = world.random("faults")
    world.broker.lost, world.broker.doubled = random.choice(((1.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3)))


def _climate(world: "World", *options: dict[str, float]) -> None:
    random = world.random("faults")
    team = world.teams[random.choice(world.names)]
    team.struck = True
    usual, faults = team.climate.faults, random.choice(options)
    team.climate.faults = {**usual, **faults}
    world.tell(f"{team.name}: {faults}")

    def pass_by() -> None:
        team.climate.faults = {kind: share for kind, share in team.climate.faults.items() if kind not in faults}

    _later(world, 1.0, 15.0, pass_by)


def _loops_down(world: "World") -> None:
    _climate(world, {"500": 1.0}, {"503 page": 1.0}, {"drop before": 1.0}, {"silent before": 1.0})


def _loops_lossy(world: "World") -> None:
    _climate(
        world,
        {"500": 0.3, "drop after": 0.1},
        {"drop before": 0.1, "drop after": 0.2},
        {"silent after": 0.2},
        {"drop after": 1.0},
    )


def _loops_slow(world: "World") -> None:
    random = world.random("faults")
    team = world.teams[random.choice(world.names)]
    team.struck = True
    team.climate.latency_s = random.choice(((0.1, 0.8), (0.4, 0.9)))


def _429(world: "World") -> None:
    wait = world.random("faults").choice(WAITS)
    _climate(world, {f"429 {wait}".strip(): 0.2}, {f"429 {wait}".strip(): 0.02})


def _429_long(world: "World") -> None:
    wait = world.random("faults").choice(LONG_WAITS)
    _climate(world, {f"429 {wait}": 0.2}, {f"429 {wait}": 0.02})


def _hostile(world: "World") -> None:
    _climate(world, {"hostile header": 0.1}, {"hostile header": 1.0})


def _revoked(world: "World") -> None:
    name = world.random("faults").choice(world.names)
    world.teams[name].struck = True
    keys = world.teams[name].sandbox.keys
    keys.revoke(f"sandbox-{name}")
    _later(world, 0.5, 10.0, keys.restore)


def _forget(world: "World") -> None:
    world.person.do(world.person.forget, world.random("faults").choice(world.plan.contacts))


def _pause(world: "World") -> None:
    random = world.random("faults")
    name = random.choice(world.names)
    world.teams[name].struck = True
    world.person.do(world.person.pause, name, random.uniform(0.1, 10))


def _replay(world: "World") -> None:
    world.person.do(world.person.replay, world.random("faults").choice(world.names))


def _retry_now(world: "World") -> None:
    world.person.do(world.person.retry_now, world.random("faults").choice(world.names))


def _redis_full(world: "World") -> None:
    world.server.full = True
    _later(world, 0.2, 8.0, lambda: setattr(world.server, "full", False))


def _sick(world: "World") -> None:
    """Loops fails for one contact."""
    random = world.random("faults")
    team = world.teams[random.choice(world.names)]
    team.sick = random.choice(world.plan.contacts)
    team.sick_ones.add(team.sick)


def _config(world: "World") -> None:
    """The mappings are renamed; a worker knows it when it starts anew."""
    world.config = renamed(world.config)


def _nothing(world: "World") -> None:
    """What the plan brings with it: events at fault, or destinations that hold only a few."""


_STRIKES: "dict[str, Callable[[World], None]]" = {
    "kill": _kill,
    "terminate": _terminate,
    "stop": _stop,
    "redis away": _redis_away,
    "redis hangs": _redis_hangs,
    "redis slow": _redis_slow,
    "redis lossy": _redis_lossy,
    "redis older": _redis_older,
    "redis clock": _redis_clock,
    "worker clock": _worker_clock,
    "swallow": _swallow,
    "hints": _hints,
    "loops down": _loops_down,
    "loops lossy": _loops_lossy,
    "loops slow": _loops_slow,
    "429": _429,
    "429 long": _429_long,
    "hostile": _hostile,
    "poison": _nothing,
    "attack": _nothing,
    "revoked": _revoked,
    "forget": _forget,
    "pause": _pause,
    "replay": _replay,
    "retry now": _retry_now,
    "full": _nothing,
    "redis full": _redis_full,
    "sick": _sick,
    "config": _config,
}
