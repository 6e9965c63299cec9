"""Two runs side by side, paired on what both have."""
