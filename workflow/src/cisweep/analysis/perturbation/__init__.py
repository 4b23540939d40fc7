"""`marginalize`, `ablate`, `space`, and the experiments of a run."""
