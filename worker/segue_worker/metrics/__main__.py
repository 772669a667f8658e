"""`python -m segue_worker.metrics`: print `docs/metrics.md`."""

import sys

from segue_worker.metrics.registry import as_markdown

if __name__ == "__main__":
    sys.stdout.write(as_markdown())
