"""Simulations that the statistics' choices rest on."""
