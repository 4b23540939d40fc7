"""First-layer filters as motifs: matrices from their strongest activations, and their names."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.motifs.names import name_motifs
from cisweep.analysis.seqlets.names import NameRules
from cisweep.errors import ModelError
from cisweep.genome.motifs import Motif
from cisweep.sequence.encoding import one_hot_tokens

# A filter with fewer columns of so much information has no motif: flat columns match flat columns.
_FEWEST_COLUMNS, _LEAST_BITS = 4, 0.5


def first_convolution(model: nn.Module) -> tuple[str, nn.Conv1d]:
    """Return name and module of the first Conv1d that reads the four letters.

    Raises ModelError if there is none (a linear model has no filters).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv1d) and module.in_channels == 4:
            return name, module
    raise ModelError(
        f"{type(model).__name__} has no convolution that reads the sequence",
        mend="filters are shown for models with a first Conv1d of 4 channels",
    )


@torch.no_grad()
def filter_matrices(
    model: nn.Module, tokens: np.ndarray, *, threshold: float = 0.5, block: int = 1024
) -> dict[str, tuple[np.ndarray, int]]:
    """Return filter -> (matrix (4, width) of probabilities, number of sites).

    A site is a stretch whose activation (after the bias, without the non-linearity) is above
    `threshold` × the filter's largest over all sequences; the matrix is the mean of the sites
    (DeepBind, Alipanahi 2015; Basset, Kelley 2016). A filter that is never active gets a uniform
    matrix and 0 sites.

    Parameters
    ----------
    tokens: (N, L) uint8; sites that leave the sequence or hold N do not count.
    """
    _, conv = first_convolution(model)
    weight, bias = conv.weight.cpu(), None if conv.bias is None else conv.bias.cpu()
    width = weight.shape[-1]

    def activation(rows: slice) -> torch.Tensor:
        one_hot = one_hot_tokens(torch.from_numpy(tokens[rows]))
        return F.conv1d(one_hot, weight, bias, dilation=conv.dilation)

    blocks = [slice(b, b + block) for b in range(0, len(tokens), block)]
    best = torch.stack([activation(rows).amax(dim=(0, 2)) for rows in blocks]).amax(dim=0)
    counts = torch.zeros(len(weight), width, 5)
    for rows in blocks:
        part = torch.from_numpy(tokens[rows]).long()
        windows = part.unfold(1, width, 1)
        clean = (windows < 4).all(dim=2)
        active = (activation(rows) > threshold * best[:, None]) & clean[:, None]
        for f in torch.nonzero(best > 0)[:, 0].tolist():
            counts[f] += _letters(windows, active[:, f])
    return _matrices(counts[..., :4].numpy())


def _letters(windows: torch.Tensor, site: torch.Tensor) -> torch.Tensor:
    """Return how often each letter stands at each position of the sites, (width, 5)."""
    return F.one_hot(windows[site], 5).sum(dim=0).float()


def _matrices(counts: np.ndarray) -> dict[str, tuple[np.ndarray, int]]:
    found = {}
    for f, letters in enumerate(counts):
        n = int(letters[0].sum())
        matrix = letters.T / n if n else np.full(letters.T.shape, 0.25)
        found[f"filter_{f}"] = (matrix.astype(np.float64), n)
    return found


def match_filters(
    matrices: dict[str, tuple[np.ndarray, int]],
    motifs: list[Motif],
    tokens: np.ndarray,
    rules: NameRules | None = None,
) -> list[dict[str, object]]:
    """Return, for each filter with sites, its closest motif by Tomtom and the p-values.

    Columns of little information at the ends are cut off first, since they match anything; a
    filter with fewer than four of at least half a bit has no row. Rows have filter, sites,
    consensus, motif, p_value (Tomtom's), name_p_value: the share of random patterns of the
    sequences `tokens` (N, L) that have as close a motif (`motif_names`). `motif` is "" where
    it is above `rules.rate`.
    Source: Tomtom (Gupta 2007) by memelite.
    """
    trimmed = {name: (trim(m), n) for name, (m, n) in matrices.items() if n > 0}
    used = {
        name: (m, n)
        for name, (m, n) in trimmed.items()
        if (Motif("", "", m).information() >= _LEAST_BITS).sum() >= _FEWEST_COLUMNS
    }
    if not used or not motifs:
        return []
    rules = rules or NameRules()
    names = name_motifs(
        [m for m, _ in used.values()], motifs, tokens, seed=rules.seed, n_jobs=rules.n_jobs
    )
    named, best = names.is_named(rules.rate), names.matches.motif_idx[:, 0]
    return [
        {
            "filter": name,
            "sites": n,
            "consensus": consensus(matrix),
            "motif": motifs[best[i]].label if named[i] else "",
            "p_value": float(names.matches.p_value[i, 0]),
            "name_p_value": float(names.name_p_value[i]),
        }
        for i, (name, (matrix, n)) in enumerate(used.items())
    ]


def trim(matrix: np.ndarray, min_bits: float = 0.3) -> np.ndarray:
    """Return the columns from the first to the last of at least `min_bits`, (4, ≤ width)."""
    informative = np.flatnonzero(Motif("", "", matrix).information() >= min_bits)
    return matrix[:, informative[0] : informative[-1] + 1] if len(informative) else matrix[:, :0]


def consensus(matrix: np.ndarray, share: float = 0.5) -> str:
    """Return the commonest letter of each position, in lower case below `share`, (4, width)."""
    letters = []
    for column in matrix.T:
        letter = "ACGT"[int(column.argmax())]
        letters.append(letter if column.max() >= share else letter.lower())
    return "".join(letters)
