"""The rules on request bodies, one module per section. All pure: they read a team's data and change nothing."""
