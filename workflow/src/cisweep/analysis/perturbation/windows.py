"""What one job of marginalize and space does: a model as a function, backgrounds, effects.

Motifs are put in by the functions of `cisweep.sequence` that `marginalize` and `space` of the API
use, in the same places, and predicted by the same `predict`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cisweep.analysis.perturbation.ablations import Predict
from cisweep.analysis.perturbation.gather import summarise
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.contracts import Windows, seed_of
from cisweep.genome.motifs import Motif
from cisweep.models.ensemble import Ensemble
from cisweep.plan.contents.backgrounds import gc_share, random_windows, region_sample
from cisweep.plan.contents.motifs import refuse_wide
from cisweep.plan.contents.space import check_spacing
from cisweep.plan.plan import Plan
from cisweep.sequence.editing import centred_start, multisubstitute, substitute
from cisweep.sequence.encoding import reverse_complement
from cisweep.sequence.tokens import shuffle_tokens
from cisweep.steps.marginalize import BackgroundConfig

_AT_ONCE = 4096  # windows that are edited at once

Edit = Callable[[Tensor], Tensor]
"""Tokens (B, W) of backgrounds -> tokens with motifs put in."""


@dataclass(frozen=True)
class Backgrounds:
    """Windows into which motifs are put: their places, tokens (B, W) uint8, predictions (B, T)."""

    windows: Windows
    tokens: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, predict: Predict, windows: Windows, tokens: np.ndarray) -> "Backgrounds":
        """Return backgrounds, predicted once for all experiments."""
        return cls(windows, tokens, predict(windows, tokens).astype(np.float64))

    @classmethod
    def shuffled(
        cls, predict: Predict, windows: Windows, tokens: np.ndarray, n: int, seed: int
    ) -> "Backgrounds":
        """Return n dinucleotide shuffles of windows without N, each as often as another."""
        keys = windows.keys()
        rows = np.arange(n) % len(keys)
        seeds = [seed_of(seed, "background", keys[r], i // len(keys)) for i, r in enumerate(rows)]
        shuffled = shuffle_tokens(tokens[rows], np.array(seeds, np.uint64)[:, None])[:, 0]
        return cls.of(predict, windows.take(rows), shuffled)


def predictor(plan: Plan, model: str, device: str, batch_size: int) -> Predict:
    """Return the function (windows, tokens (N, W) uint8) -> (N, T) of a model of the run.

    What the model reads beside the bases (bigWig) is that of the windows' places.
    """
    folded = Ensemble.load(plan.models[model], device)

    def predict(windows: Windows, tokens: np.ndarray) -> np.ndarray:
        inputs = plan.inputs(model, windows)
        return predict_windows(folded, windows, tokens, inputs, batch_size=batch_size).mean

    return predict


def make_backgrounds(
    predict: Predict, plan: Plan, model: str, step: BackgroundConfig, peaks: Path | None
) -> Backgrounds:
    """Return the backgrounds that a step's config asks for."""
    kind, n = step.backgrounds, step.n_backgrounds
    seed, width = plan.config.seed, plan.models[model].window_bp
    chroms = [c for c in plan.source.lengths if plan.wanted(c)]
    if kind == "random":
        return Backgrounds.of(predict, *random_windows(plan.source, chroms, width, n, seed))
    windows, tokens = region_sample(plan, model, n, peaks)
    if kind == "shuffled":
        return Backgrounds.shuffled(predict, windows, tokens, n, seed)
    gc = gc_share(tokens)[np.arange(n) % len(tokens)]
    return Backgrounds.of(predict, *random_windows(plan.source, chroms, width, n, seed, gc))


def marginal_effects(
    predict: Predict, backgrounds: Backgrounds, motifs: Sequence[Motif], targets: Sequence[str]
) -> pd.DataFrame:
    """Return one row per motif and target: its effect when its consensus stands in the middle.

    That is the mean of y_after − y_before of `marginalize` over the backgrounds. Columns: motif,
    name, target, n, effect, effect_sd, ci_low, ci_high, mean_before, mean_after. Motifs wider than
    the window are an error.
    """
    width = backgrounds.tokens.shape[1]
    refuse_wide(motifs, width, "the window has", where="motifs", mend="leave the motif out")
    edits = [partial(substitute, motif=m.consensus) for m in motifs]
    rows = []
    for motif, after in zip(motifs, _after(predict, backgrounds, edits)):
        found = summarise(after - backgrounds.before)
        found |= {"mean_before": backgrounds.before.mean(0), "mean_after": after.mean(0)}
        rows.append(_rows({"motif": motif.name, "name": motif.alt}, targets, found))
    return pd.concat(rows, ignore_index=True)


def spacing_effects(
    predict: Predict,
    backgrounds: Backgrounds,
    pairs: Sequence[tuple[Motif, Motif]],
    distances: Sequence[int],
    orientations: Sequence[str],
    targets: Sequence[str],
) -> pd.DataFrame:
    """Return one row per pair, orientation, distance and target.

    The pair is centred, motif_a on the left, `distance_bp` bases between the two; orientations are
    the strands of both, such as "+-". `effect` is that of the pair, the mean of y_afters − y_before
    of `space`; `interaction` (with its own interval) is the pair's effect minus those of its motifs
    alone at the same places: above 0 the two do more together. Arrangements wider than the window
    are an error.
    """
    width = backgrounds.tokens.shape[1]
    check_spacing(pairs, distances, width)
    rows = []
    for a, b in pairs:
        names = {"motif_a": a.name, "name_a": a.alt, "motif_b": b.name, "name_b": b.alt}
        for orientation in orientations:
            left, right = (_letters(m, strand) for m, strand in zip((a, b), orientation))
            edits = [edit for d in distances for edit in _arrangement(left, right, d, width)]
            found = list(_after(predict, backgrounds, edits))
            for k, distance in enumerate(distances):
                pair, alone_a, alone_b = (y - backgrounds.before for y in found[3 * k : 3 * k + 3])
                joint = summarise(pair - alone_a - alone_b)
                numbers = summarise(pair) | {
                    "interaction": joint["effect"],
                    "interaction_ci_low": joint["ci_low"],
                    "interaction_ci_high": joint["ci_high"],
                }
                labels = names | {"orientation": orientation, "distance_bp": distance}
                rows.append(_rows(labels, targets, numbers))
    return pd.concat(rows, ignore_index=True)


def _arrangement(left: str, right: str, distance: int, width: int) -> list[Edit]:
    """Return the edits that put in both motifs, and each alone where it stands beside the other."""
    start = centred_start(width, len(left) + distance + len(right))
    return [
        partial(multisubstitute, motifs=[left, right], spacing=distance),
        partial(substitute, motif=left, start=start),
        partial(substitute, motif=right, start=start + len(left) + distance),
    ]


def _letters(motif: Motif, strand: str) -> str:
    return motif.consensus if strand == "+" else str(reverse_complement(motif.consensus))


def _after(
    predict: Predict, backgrounds: Backgrounds, edits: Sequence[Edit]
) -> Iterator[np.ndarray]:
    """Yield (B, T) predictions of the backgrounds after each edit."""
    n, tokens = len(backgrounds.windows), torch.from_numpy(backgrounds.tokens)
    per_block = max(1, _AT_ONCE // n)
    for begin in range(0, len(edits), per_block):
        block = edits[begin : begin + per_block]
        windows = Windows.concatenate([backgrounds.windows] * len(block))
        after = predict(windows, torch.cat([edit(tokens) for edit in block]).numpy())
        yield from after.astype(np.float64).reshape(len(block), n, -1)


def _rows(labels: dict, targets: Sequence[str], numbers: dict[str, np.ndarray]) -> pd.DataFrame:
    n = len(targets)
    columns = {key: [value] * n for key, value in labels.items()}
    return pd.DataFrame({**columns, "target": list(targets), **numbers})
