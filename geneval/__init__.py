"""GenEval (Ghosh et al. 2023, arXiv 2310.11513): object-focused verdicts on generated images.

A detector finds the 80 COCO classes, CLIP names the colors of the objects a prompt asks about, and the judge
compares both with the prompt's metadata. Runs as a worker: ``python -m geneval JOB.json``.
"""
