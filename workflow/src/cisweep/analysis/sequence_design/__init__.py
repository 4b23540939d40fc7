"""`design` and `greedy_pruning`: goals, constraints, choice, table."""
