"""How far apart two profiles lie (NumPy and SciPy only)."""

import numpy as np


def jensen_shannon_distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the Jensen-Shannon distance, base 2, of each pair of rows (N,); 0 equal, 1 disjoint.

    p, q: (N, positions), non-negative, normalised here; a row without any signal gives NaN.

    Source: Endres and Schindelin 2003. `scipy.spatial.distance.jensenshannon` (SciPy 1.16) gives
    the same but for rows that are equal within rounding, where it can give NaN.
    """
    from scipy.special import rel_entr  # only where profiles are compared

    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = (x / x.sum(axis=1, keepdims=True) for x in (p, q))
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / (2 * np.log(2))
    return np.sqrt(np.maximum(divergence, 0))
