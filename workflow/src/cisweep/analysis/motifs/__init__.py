"""Motifs: `fimo`, hits of a chunk and of a run, ranking, discovery."""
