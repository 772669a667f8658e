"""`segue demo`: every promise of Segue played through once, with real processes, and checked against what Loops received."""
