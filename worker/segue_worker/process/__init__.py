"""One worker process: its working parts, the consumer of hints, and the sweep."""
