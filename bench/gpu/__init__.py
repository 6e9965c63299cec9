"""Measurements that need a GPU; each says with --help what it does."""
