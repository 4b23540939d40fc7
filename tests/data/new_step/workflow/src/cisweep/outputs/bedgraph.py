"""bedGraph: one value for each of intervals, 0-based half-open."""

from pathlib import Path

import pandas as pd


def write_bedgraph(table: pd.DataFrame, column: str, path: Path) -> None:
    """Write a column of a table with chrom, start, end."""
    table[["chrom", "start", "end", column]].to_csv(path, sep="\t", header=False, index=False)
