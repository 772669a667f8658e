"""`segue demo`: shows each promise of Segue once, with real processes, and checks it against what Loops received."""
