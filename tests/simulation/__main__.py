"""`make simulate`: many seeds, or one with its story. Exits 1 where a promise was not kept."""

import argparse
import os
import sys
import time

from tests.simulation.old_faults import OLD_FAULTS
from tests.simulation.plan import KINDS, Choice
from tests.simulation.runner import Summary, live, outcomes


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one, with its story")
    parser.add_argument("--kinds", help=f"kinds of faults instead of those drawn, of: {', '.join(KINDS)}")
    parser.add_argument("--fault", choices=sorted(OLD_FAULTS), help="an old fault to put back")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--until-found", action="store_true", help="end at the first seed that fails")
    parser.add_argument("--points", action="store_true", help="name the points at which a fault struck")
    options = parser.parse_args()
    choice = Choice(
        only=None if options.kinds is None else _names(options.kinds),
        fault=options.fault,
    )
    return _one(options.seed, choice) if options.seed is not None else _many(options, choice)


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(",")))


def _one(seed: int, choice: Choice) -> int:
    world = live(seed, choice)
    for line in world.story.tell():
        sys.stdout.write(f"{line}\n")
    kinds = ", ".join(sorted(world.plan.kinds)) or "none"
    sys.stdout.write(f"seed {seed}: kinds of faults: {kinds}; {world.since_start():.0f} simulated seconds\n")
    for violation in world.violations:
        sys.stdout.write(f"{violation}\n")
    return int(bool(world.violations))


def _many(options: argparse.Namespace, choice: Choice) -> int:
    began, used = time.perf_counter(), os.times()
    summary = Summary()
    for outcome in outcomes(range(options.first, options.first + options.seeds), choice, jobs=options.jobs):
        summary.add(outcome)
        if outcome.violations:
            what = "; ".join(outcome.violations[:2])[:400]
            sys.stdout.write(f"seed {outcome.seed} ({', '.join(outcome.kinds)}): {what}\n")
            sys.stdout.flush()
            if options.until_found:
                break
    if options.points:
        sys.stdout.writelines(f"{point}\n" for point in sorted(summary.points))
    now = os.times()
    cpu = now.user + now.children_user - used.user - used.children_user
    sys.stdout.write(
        f"{summary.seeds} seeds, {len(summary.failed)} failed {dict(summary.rules) or ''}; faults struck at "
        f"{len(summary.points)} points; {time.perf_counter() - began:.0f} s, {cpu:.0f} s of processor: "
        f"{60 * summary.seeds / cpu:.0f} seeds a minute, {summary.simulated_s / cpu:.0f} simulated seconds a second\n"
    )
    return int(bool(summary.failed))


if __name__ == "__main__":
    sys.exit(main())
