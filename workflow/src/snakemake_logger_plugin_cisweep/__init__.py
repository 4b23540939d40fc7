"""Snakemake's logger plugin `cisweep`: Snakemake finds plugins by the names of packages."""

from cisweep.cli.progress import LogHandler

__all__ = ["LogHandler"]
