"""Measure parts of the project, one file a command: `python -m scripts.benchmark`."""
