"""The plan of a run: config, windows, chunks, checks. No torch."""
