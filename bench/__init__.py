"""Speed against the reference, measured in one run."""
