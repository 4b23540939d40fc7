"""Chunks of the step seqlets."""

MOST_CHUNKS = 500
"""Calls take seconds where attributions take minutes: of a large genome a job calls in several."""
