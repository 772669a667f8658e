"""`python -m segue_worker.cli` is the `segue` command."""

from segue_worker.cli import main

main()
