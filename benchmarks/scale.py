"""CPU time and peak memory of single jobs by size: `python -m benchmarks.scale hits 1 2 8`.

The first word names what is measured, and the rest are sizes in Mb (of `gather`: chunks). Each job
runs in a process of its own; CPU is user and system time, memory the largest resident set.
"""

import sys

from benchmarks import scale_hits

MEASURED = {
    "hits": scale_hits.hits,
    "sweep": scale_hits.sweep,
    "gather": scale_hits.gather,
    "attribute": scale_hits.attribute,
}


def main() -> None:
    """Measure what is asked for and print its table."""
    if len(sys.argv) < 2 or sys.argv[1] not in MEASURED:
        sys.exit(f"python -m benchmarks.scale {{{','.join(MEASURED)}}} [Mb ...]")
    for line in MEASURED[sys.argv[1]]([float(size) for size in sys.argv[2:]] or [2.0]):
        print(line, flush=True)


if __name__ == "__main__":
    main()
