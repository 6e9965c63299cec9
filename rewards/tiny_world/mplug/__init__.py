"""The stand-in for DPG-Bench's judge; ``python -m rewards.tiny_world.mplug FOLDER`` in the environment ``mplug``."""
