"""Ways to run a stage's worker; each takes the same task and reports the same events."""
