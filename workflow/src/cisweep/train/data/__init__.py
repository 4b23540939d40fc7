"""From recipes to examples: tables, peaks and signals, negatives, splits that do not leak."""
