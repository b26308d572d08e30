"""Compare runs, results and scores of several in, one page out: `python -m scripts.compare`."""
