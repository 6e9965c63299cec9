"""What both sides of a worker's process wall share. Standard library only, Python >= 3.10; imports nothing of ours."""
