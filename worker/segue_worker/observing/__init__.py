"""What a person sees: status, health, trace, log, metrics, preview."""
