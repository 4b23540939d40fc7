"""Variants: read, normalised, chosen, and as edits of windows."""
