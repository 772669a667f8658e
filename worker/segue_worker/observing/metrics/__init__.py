"""What is counted, told to machines: histograms, minutes, and metrics for Prometheus."""
