"""`make chaos`: the scenario at full size; prints its seed, figures and verdict, and exits 1 where it is not clean."""

import json
import sys
import tempfile
import time
from pathlib import Path

from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.chaos.scenario import FULL, run_chaos


def main() -> int:
    """Run it; the seed is the first argument, else the time."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(time.time())
    sys.stderr.write(f"seed {seed}\n")
    with tempfile.TemporaryDirectory() as directory, EmbeddedRedis() as server:
        verdict = run_chaos(FULL, seed, server, Path(directory))
    sys.stdout.write(json.dumps(verdict.figures, indent=2) + "\n")
    for name in ("lost", "applied_twice", "out_of_order", "unexplained", "miscounted"):
        found = getattr(verdict, name)
        sys.stdout.write(f"{name}: {len(found)} {found[:10] or ''}\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
