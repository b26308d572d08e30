"""What `scripts/export.py` does: a trained run in, files that run without the project out."""
