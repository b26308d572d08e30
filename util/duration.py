"""Durations as short text."""

MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60


def in_words(seconds: float) -> str:
    """Format a duration with its two largest units, or one below an hour: `3 d 4 h`, `2 h 05 min`, `7 min`, `40 s`."""
    if (whole := round(seconds)) < MINUTE:
        return f"{whole} s"
    if (minutes := round(seconds / MINUTE)) * MINUTE < HOUR:
        return f"{minutes} min"
    if minutes * MINUTE < DAY:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / HOUR)
    return f"{hours // 24} d {hours % 24} h"
