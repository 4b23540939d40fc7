"""predict: what the model says about every window, as HDF5 and one bigWig a target."""

from pydantic import Field

from cisweep.steps.base import Step, StepConfig


class PredictConfig(StepConfig):
    """Predictions of all windows."""

    batch_size: int = Field(256, ge=1)
    """Windows that go to the device at once."""
    tracks: bool = True
    """Write one bigWig a target (genome source only)."""


STEP = Step(
    name="predict",
    version=1,
    order=10,
    config=PredictConfig,
    title="Predictions",
    products=lambda config, model: (
        ["predictions.h5"]
        + ([f"tracks/{t}.pred.bw" for t in model.target_names] if config.tracks else [])
    ),
)
