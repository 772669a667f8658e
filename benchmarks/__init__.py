"""How fast Segue is, against what: `python -m benchmarks`, or `make bench`."""
