"""select: the predicted peaks, and the null that they are compared with."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cisweep.analysis.prediction.peak_null import PeakNull
from cisweep.analysis.prediction.peak_selection import PeakRules, predicted_peaks
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.peaks import read_null, write_null, write_peaks
from cisweep.outputs.tables import write_product
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.products.select import PEAKS, SUMMARY
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
    targets = [t for t in of.config.target_names if step.targets is None or t in step.targets]
    parts = [read_null(path) for path in nulls]
    found = predicted_peaks(
        lambda target: prediction_blocks(h5, target),
        targets,
        PeakRules(
            step.min_distance_bp or of.config.window_bp, step.fdr, step.top_n, step.threshold
        ),
        order=list(of.plan.source.lengths),
        nulls=(
            {t: PeakNull.merge(PeakNull(s[t], n) for s, n in parts) for t in targets}
            if step.null_windows
            else None
        ),
        rate=FDR,
    )
    for row in found.summary.itertuples():
        _say(row, with_null=bool(step.null_windows))
    write_peaks(peaks, found.windows, found.peaks)
    write_product(found.peaks, table, PEAKS)
    write_product(found.summary, summary, SUMMARY)


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
