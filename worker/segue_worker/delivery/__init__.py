"""A run: one `deliver` task, a few seconds long."""
