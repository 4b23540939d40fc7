"""Set-up: compile what is compiled at its first use (Tomtom), so that no run pays for it."""

from cisweep.analysis.seqlets.annotate_seqlets import warm_tomtom_cache

if __name__ == "__main__":
    print(f"Tomtom is compiled ({warm_tomtom_cache():.0f} s)")
