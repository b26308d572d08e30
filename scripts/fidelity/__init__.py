"""Compare recordings of published implementations with this one: `python -m scripts.fidelity`."""
