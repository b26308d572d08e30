"""Prove and measure the project on a GPU machine in one call: `python -m scripts.benchmark device --output DIR`."""
