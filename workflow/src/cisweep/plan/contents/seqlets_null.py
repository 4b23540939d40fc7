"""Chunks of the null of the step seqlets."""

MOST_CHUNKS = 32
"""However large the genome is, 20,000 windows at most are shuffled and explained."""
