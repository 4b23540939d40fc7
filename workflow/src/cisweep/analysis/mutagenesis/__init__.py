"""Saturation mutagenesis and the effects of single edits."""
