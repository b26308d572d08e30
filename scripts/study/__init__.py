"""Ask people which of two systems makes the better images, and count their answers: `python -m scripts.study`."""
