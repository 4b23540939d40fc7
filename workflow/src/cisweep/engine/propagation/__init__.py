"""What a change of single bases changes in every layer, and nothing else."""
