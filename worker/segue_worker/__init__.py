"""Segue's worker side: configuration, mappings, runs, and the `segue` command."""
