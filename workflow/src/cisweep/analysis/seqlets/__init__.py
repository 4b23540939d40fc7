"""Seqlets: called, their false discovery rate, their names."""
