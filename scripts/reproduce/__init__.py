"""Train, score and compare the methods of the paper's tables: `python -m scripts.reproduce`."""
