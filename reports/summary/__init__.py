"""One run's numbers."""
