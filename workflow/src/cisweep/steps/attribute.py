"""attribute: which bases drive each target (DeepLIFT/SHAP and relatives)."""

from typing import Literal

from pydantic import Field

from cisweep.steps.base import Step, StepConfig


class AttributeConfig(StepConfig):
    """Attributions of the selected regions."""

    method: Literal["deep_lift_shap", "integrated_gradients", "input_x_gradient"] = "deep_lift_shap"
    """How bases are given their share of the prediction. The gradient methods are for models of
    hundreds of kilobases; they do not add up exactly, so set on_incomplete: warn."""
    references: Literal["dinucleotide", "shuffle", "zeros", "uniform"] = "dinucleotide"
    """Background sequences: shuffles of the window that keep dinucleotides or bases, all zeros,
    or 0.25 everywhere."""
    n_references: int = Field(20, ge=1)
    """References a window (zeros and uniform need one)."""
    batch_size: int = Field(16, ge=1)
    """Windows that are explained at once."""
    hypothetical: bool = True
    """Store the attributions of all four bases too (float16, scaled per region)."""
    save_bp: int = Field(1000, ge=1)
    """Central bases whose hypothetical attributions are stored."""
    max_delta: float = Field(1e-3, gt=0)
    """Largest convergence delta, as a share of the mean |f(window) - f(reference)| of its chunk's
    target. Above it the attribution does not add up to the prediction."""
    on_incomplete: Literal["fail", "warn"] = "fail"
    """What to do above max_delta."""
    tracks: bool = True
    """Write one bigWig a target (genome source only)."""
    export: bool = True
    """Write ChromBPNet's H5 layout and a narrowPeak file for tf-modiscolite and finemo (needs
    hypothetical)."""


def _products(config: AttributeConfig, model) -> list[str]:
    paths = ["attributions.h5", "attribution_summary.tsv"]
    if config.tracks:
        paths += [f"tracks/{t}.attr.bw" for t in model.target_names]
    if config.export and config.hypothetical:
        paths += [f"export/{t}.shap.h5" for t in model.target_names] + ["export/regions.narrowPeak"]
    return paths


STEP = Step(
    name="attribute",
    version=1,
    order=30,
    config=AttributeConfig,
    title="Attributions",
    products=_products,
    unscoped=frozenset({"batch_size", "on_incomplete", "max_delta", "tracks", "export"}),
)
