"""Compare runs on one page, their losses in one chart, or their colors: `python -m scripts.compare`."""
