"""select: the predicted peaks, and the null that they are compared with."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.analysis.prediction.peak_null import PeakNull
from cisweep.analysis.prediction.peak_selection import PeakRules, PeakSelection
from cisweep.analysis.prediction.specificity import specificity
from cisweep.outputs.peaks import read_null, write_null, write_peaks
from cisweep.outputs.region_table import target_blocks
from cisweep.outputs.tables import write_product
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.products.select import SUMMARY
from cisweep.scope import ChunkScope, ModelScope
from cisweep.steps.select import FDR


def select_null_chunk(of: ChunkScope, device: str, null: Path) -> None:
    """Predict shuffled stretches of the genome and call their peaks.

    Writes the score of each peak by target, and the number of windows, as npz.
    """
    from cisweep.analysis.prediction.peak_null import null_peaks
    from cisweep.analysis.prediction.windows import predict_windows
    from cisweep.models.ensemble import Ensemble

    plan, config = of.plan, of.config
    found = NullStretches(plan, of.model)
    rows, batch_size = found.chunks[of.chunk], plan.step_config("predict").batch_size
    model = Ensemble.load(config, device)

    def predict(windows, tokens):
        """Return the predictions (N, T) of shuffled windows."""
        inputs = plan.inputs(of.model, windows)
        return predict_windows(model, windows, tokens, inputs, batch_size=batch_size).mean

    nulls = null_peaks(
        map(found.place, found.drawn[rows.start : rows.stop]),
        len(config.targets),
        predict,
        draws=found.draws,
        seed=plan.config.seed,
        distance_bp=found.distance_bp,
    )
    print(f"{nulls[0].n_windows} shuffled windows predicted ({found.draws} draws of each place)")
    scores = {t: null.scores for t, null in zip(config.target_names, nulls)}
    write_null(null, scores, nulls[0].n_windows)


def select_peaks(
    of: ModelScope, h5: Path, nulls: Iterable[Path], peaks: Path, table: Path, summary: Path
) -> None:
    """Choose the local maxima of each target that shuffled sequence does not give.

    h5: merged predictions; nulls: what `select_null_chunk` wrote, none where no null is drawn.
    Writes the windows of the peaks as BED, their scores, p and q as TSV, and a summary a target.
    """
    step = of.plan.step_config("select")
    targets = of.config.chosen(step.targets)
    compared = of.config.chosen(step.among) if step.by == "specificity" else targets
    column = {target: i for i, target in enumerate(compared)}
    distance = step.min_distance_bp or of.config.window_bp
    found = PeakSelection(
        lambda: target_blocks(h5, compared),
        {target: column[target] for target in targets},
        PeakRules(distance, step.fdr, step.top_n, step.threshold, _specific(of, compared, targets)),
        nulls=_merged(nulls, targets) if step.null_windows else None,
        rate=FDR,
    )
    write_peaks(found.rows(), found.names, table, peaks)
    counted = found.summary()
    for row in counted.itertuples():
        _say(row, with_null=bool(step.null_windows))
    write_product(counted, summary, SUMMARY)


def _specific(
    of: ModelScope, compared: Sequence[str], targets: Sequence[str]
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the function that says how specific predictions of the compared targets (N, C) are for
    the chosen ones, (N, T), if peaks are chosen by it."""
    step = of.plan.step_config("select")
    if step.by == "value":
        return None
    scale_of = {target.name: target.scale for target in of.config.targets}
    scales = [scale_of[target] for target in compared]
    own = np.flatnonzero(np.isin(np.array(compared, dtype=object), targets))
    return lambda values: specificity(values, scales, step.specificity)[:, own]


def _merged(paths: Iterable[Path], targets: Sequence[str]) -> dict[str, PeakNull]:
    """Return target -> the null of all chunks."""
    parts = [read_null(path) for path in paths]
    return {t: PeakNull.merge(PeakNull(s[t], n) for s, n in parts) for t in targets}


def _say(row: Any, with_null: bool) -> None:
    """Tell how many peaks of a target stand above chance; row: of `Peaks.summary`."""
    print(
        f"{row.target}: {row.n_selected} of {row.n_maxima} local maxima are selected; "
        + (
            f"{row.n_above_chance} pass a false discovery rate of {row.rate:g} against "
            f"{row.n_null_maxima} of shuffled sequence (smallest q {row.smallest_q:.3g})"
            if with_null
            else "no shuffled sequence was predicted, so they have no rate"
        )
    )
    if row.n_needed > 1 and not row.n_above_chance:
        print(
            f"  with this much shuffled sequence, at least {row.n_needed} must be higher than "
            "all of its maxima for any to pass: raise steps.select.null_windows"
        )
