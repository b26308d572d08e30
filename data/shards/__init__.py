"""Data sets packed into tars: the index beside them, reading single samples through it, and the order of an epoch."""
