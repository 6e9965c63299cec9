"""Studies that back what the documentation claims of the statistics; each can be run again with ``python -m``."""
