"""One worker process: what it is made of, the consumer of hints, the sweep."""
