"""Isolated environments: made by one command, checked before they are used, never used half-made."""
