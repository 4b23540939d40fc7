"""What is done with each operation: `table` says which rule, a file a family holds the rules."""
