"""The first stage: images from a MIRO checkpoint. Runs as ``python -m generation JOB.json`` in its own environment."""
