"""What the orchestrator knows of each stage: which items it works on, which are done, how its rows are merged."""
