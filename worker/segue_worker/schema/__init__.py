"""What is sent to a destination beside what Loops knows: names and types, never values."""
