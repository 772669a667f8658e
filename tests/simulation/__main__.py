"""`make simulate`: many seeds, or one with its story."""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.old_faults import put_back
from tests.simulation.plan import KINDS, draw
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--kinds", default=None)
    parser.add_argument("--without", default="")
    parser.add_argument("--unmask", default="")
    parser.add_argument("--fault")
    options = parser.parse_args()
    with put_back(options.fault):
        return simulate(options)


def simulate(options):
    unmasked = frozenset(filter(None, options.unmask.split(",")))
    without = frozenset(filter(None, options.without.split(",")))
    only = None if options.kinds is None else frozenset(filter(None, options.kinds.split(",")))
    if options.seed is not None:
        world = World(draw(options.seed, without=without, only=only, unmasked=unmasked))
        world.run()
        for line in world.story.tell():
            print(line)
        print(world.plan.kinds, f"{world.since_start():.0f} s, {world.loop.steps} steps")
        for violation in world.violations:
            print(violation)
        return bool(world.violations)
    began = time.process_time()
    points, rules, failed = set(), Counter(), 0
    simulated = 0.0
    for seed in range(options.first, options.first + options.seeds):
        world = World(draw(seed, without=without, only=only, unmasked=unmasked))
        world.run()
        simulated += world.since_start()
        points |= world.points
        if world.violations:
            failed += 1
            rules.update({violation.rule for violation in world.violations})
            print(f"seed {seed}: {'; '.join(map(str, world.violations[:2]))[:400]}  {sorted(world.plan.kinds)}", flush=True)
    seconds = time.process_time() - began
    print(f"{options.seeds} seeds in {seconds:.0f} s ({options.seeds / seconds * 60:.0f} a minute, {simulated / seconds:.0f} simulated seconds a second), {failed} failed, {len(points)} fault points")
    print(dict(rules))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
