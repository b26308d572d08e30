"""How far generated images are from real ones, and from each other: the distances that papers report."""
