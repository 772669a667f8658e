"""What became of every event: how it is recorded, and how it is read again (docs/design.md#the-invariants, the ninth)."""
