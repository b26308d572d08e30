"""What `scripts/preference_study.py` does: pictures in, a page for people out, and a report of their answers."""
