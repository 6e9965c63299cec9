"""A run: its directory, its manifest and its settings."""
