"""Hold recordings of published implementations against this one: `python -m scripts.fidelity`."""
