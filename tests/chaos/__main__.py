"""`make chaos`: the scenario at full size; prints its seed, figures and verdict, and exits 1 where it is not clean.

`ENGINE=sentinel`, `cluster` or `rabbitmq` runs it on those, `SEED=7` repeats a run.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.engines import target
from tests.chaos.scenario import FULL, run_chaos


def main() -> int:
    """Run it; the first argument is the engine, the second the seed, else the time."""
    engine = sys.argv[1] if len(sys.argv) > 1 else "redis"
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    sys.stderr.write(f"engine {engine}, seed {seed}\n")
    with tempfile.TemporaryDirectory() as directory, target(engine, Path(directory)) as struck:
        verdict = run_chaos(FULL, seed, struck, Path(directory))
    sys.stdout.write(json.dumps(verdict.figures, indent=2) + "\n")
    for name in ("lost", "applied_twice", "out_of_order", "unexplained", "miscounted"):
        found = getattr(verdict, name)
        sys.stdout.write(f"{name}: {len(found)} {found[:10] or ''}\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
