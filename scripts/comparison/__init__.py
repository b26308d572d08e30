"""What `scripts/compare_runs.py` does: results and scores of several runs in, one page out."""
