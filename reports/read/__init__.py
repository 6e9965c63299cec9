"""Rows and manifests, read without trust, into tables."""
