"""Tests of DPG-Bench's judge; they run in the environment ``mplug``."""
