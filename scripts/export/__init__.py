"""Export a trained run to files that run without the project: `python -m scripts.export`."""
