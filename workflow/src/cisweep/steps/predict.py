"""predict: what the model says about every window, as HDF5 and bigWig, beside observed signal."""

from pathlib import Path
from typing import Any

from pydantic import Field

from cisweep.config.base import Strict, TargetName
from cisweep.config.model import ModelConfig
from cisweep.config.target_table import nearest
from cisweep.steps.base import FLOAT_BYTES, Shown, Step, StepConfig

TSV_NUMBERS = 20_000_000
"""Regions × targets that are written as TSV where nobody asks: about 250 MB."""


class SignalConfig(Strict):
    """Observed signal that predictions are compared with."""

    paths: list[Path] = Field(min_length=1)
    """bigWig files; for a track of two strands plus and minus, otherwise their signals are
    summed."""
    width_bp: int | None = Field(None, ge=1)
    """For a target: length of the span around the window's centre over which the signal is summed;
    null = the window. A track is compared over the bases that it covers."""


class PredictConfig(StepConfig):
    """Predictions of all windows."""

    batch_size: int = Field(256, ge=1)
    """Windows that go to the device at once."""
    tracks: bool = True
    """Write one bigWig per target, and one per strand of a track (not for `sequences`)."""
    tsv: bool | None = None
    """Write regions × targets as TSV too (predictions.parquet is always written); null = where they
    are at most 20 million numbers."""
    h5ad: bool = False
    """Write regions × targets as .h5ad too, which anndata and scanpy open."""
    signal: dict[TargetName, SignalConfig] = {}
    """For each target or track, by its name, the observed signal for metrics.tsv (not for
    `sequences`)."""

    def signal_of(self, model: ModelConfig) -> dict[str, SignalConfig]:
        """Return the signal that this model's targets and tracks are compared with."""
        tracks = model.tracks if self.tracks else []
        names = {t.name for t in (*model.targets, *tracks)}
        return {name: signal for name, signal in self.signal.items() if name in names}


def _products(config: PredictConfig, model: ModelConfig) -> list[str]:
    found = ["predictions.h5", "predictions.parquet"]
    found += ["predictions.tsv"] if config.tsv in (None, True) else []
    found += ["predictions.h5ad"] if config.h5ad else []
    if config.tracks:
        names = [model.file_names[name] for name in model.target_names]
        names += [file for track in model.tracks for file in model.files_of(track)]
        found += [f"tracks/{name}.pred.bw" for name in names]
    return found + (["metrics.tsv"] if config.signal_of(model) else [])


def _disk(config: PredictConfig, model: ModelConfig, is_genome: bool) -> float:
    n = len(model.targets)
    tracks = sum(len(t.tasks) for t in model.tracks) * model.window_bp * FLOAT_BYTES
    # A window's place takes 4 bytes, a value of a bigWig 12.
    return 2 * (4 + 2 * n + tracks) + 12 * n * is_genome * config.tracks


def _too_large(config: PredictConfig, model: ModelConfig, n_windows: int) -> set[str]:
    asked = config.tsv is True or n_windows * len(model.targets) <= TSV_NUMBERS
    return set() if asked else {"predictions.tsv"}


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    """Return what is wrong with the observed signal that predictions are compared with."""
    step = run.steps.predict
    if not step.signal or not models:
        return []
    found = []
    if run.genome is None:
        found.append(
            "steps.predict.signal: needs a genome: a bigWig holds positions in a genome, and "
            "sequences have none"
        )
    strands = {t.name: len(t.tasks) for m in models.values() for t in m.tracks if step.tracks}
    known = [*(name for m in models.values() for name in m.target_names), *strands]
    for name, signal in step.signal.items():
        where = f"steps.predict.signal.{name}"
        if name not in known:
            found.append(f"{where}: no model has this target or track{nearest(name, known)}")
        elif len(signal.paths) != strands.get(name, len(signal.paths)):
            found.append(f"{where}: the track has {strands[name]} strands; give one file for each")
    return found


STEP = Step(
    name="predict",
    version=4,
    order=10,
    config=PredictConfig,
    title="Predictions",
    products=_products,
    browser={
        ".pred.bw": Shown(
            "prediction",
            "37,99,168",
            "The model's prediction for the window around each base, or of a profile for the base. "
            "Where windows overlap, of the window whose centre is nearest.",
        )
    },
    drawn=lambda config, model: ["predictions"] if model and not model.has_many_targets else [],
    faults=_faults,
    reads_regions=True,
    passes=lambda config, model, selects: 1.0,
    disk=_disk,
    drops=lambda config: "regions",
    unscoped=frozenset({"batch_size", "signal", "tsv", "h5ad"}),
    too_large=_too_large,
)
