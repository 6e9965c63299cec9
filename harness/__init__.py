"""The orchestrator: plans runs, makes environments, runs the stages' workers. Imports no stage's dependencies."""
