"""What became of every event: how it is recorded, and how it is read again (invariant 9)."""
