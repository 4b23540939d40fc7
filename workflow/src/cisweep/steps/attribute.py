"""attribute: which bases drive each target (DeepLIFT/SHAP and relatives)."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cisweep.config.model import ModelConfig
from cisweep.steps.base import FLOAT_BYTES, Shown, Step, StepConfig, unknown_targets


class AttributeConfig(StepConfig):
    """Attributions of the selected regions."""

    targets: Literal["own", "all"] | list[str] = "own"
    """Which targets are explained where: `own`, each at its own peaks (at all windows where nothing
    is selected); `all`, every target at every window; or names, groups and patterns of targets,
    which are explained at every window."""
    method: Literal["deep_lift_shap", "integrated_gradients", "input_x_gradient", "ism"] = (
        "deep_lift_shap"
    )
    """How the prediction is attributed to the bases. The gradient methods are for models of
    hundreds of kilobases; their attributions do not add up exactly, so set on_incomplete: warn.
    `ism`: every substitution is predicted; the value of a base is its prediction minus the mean
    over the four bases. It needs no references, and there is no sum to which its values would add
    up."""
    gradient_correction: bool = False
    """Take the mean over the four bases off each gradient: the part that points to no sequence
    (Majdandzic et al. 2023). For input_x_gradient, and for integrated_gradients against zeros;
    against other references it changes nothing."""
    references: str = Field(
        "dinucleotide", pattern=r"^(dinucleotide|shuffle|zeros|uniform|[\w.]+:\w+)$"
    )
    """Reference sequences: shuffles of the window that keep dinucleotides or bases, all zeros, 0.25
    everywhere, or your own function as package.module:function, which is given tokens (N, L) uint8
    and seeds (N, n) uint64 and returns tokens (N, n, L)."""
    references_span_bp: tuple[int, int] | None = None
    """Only positions [start, end) of the window differ in a reference; null = all positions."""
    n_references: int = Field(20, ge=1)
    """Number of references per window (zeros and uniform need one)."""
    batch_size: int = Field(16, ge=1)
    """Windows that are explained at once."""
    hypothetical: bool = True
    """Store the hypothetical attributions too, those of all four bases (float16, scaled per
    region)."""
    save_bp: int = Field(1000, ge=1)
    """Number of central bases whose hypothetical attributions are stored."""
    max_delta: float = Field(1e-3, gt=0)
    """Largest convergence delta, as a share of the mean |f(window) - f(reference)| of the target in
    the chunk. Above it the attributions do not add up to the prediction."""
    on_incomplete: Literal["fail", "warn"] = "fail"
    """What to do above max_delta: fail, or warn."""
    tracks: bool = True
    """Write one bigWig per target (not for `sequences`)."""
    export: bool = True
    """Write ChromBPNet's H5 layout and a narrowPeak file for tf-modiscolite and finemo (needs
    hypothetical)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        of_gradients = ("integrated_gradients", "input_x_gradient")
        if self.gradient_correction and self.method not in of_gradients:
            raise ValueError(
                f"gradient_correction has no effect: method {self.method} takes no gradients; "
                f"leave it out, or use {' or '.join(of_gradients)}"
            )
        span = self.references_span_bp
        if span is not None and not 0 <= span[0] < span[1]:
            raise ValueError(f"references_span_bp {span} is not 0 <= start < end")
        given = {"references": ":" in self.references, "references_span_bp": span is not None}
        if self.method == "ism" and any(given.values()):
            idle = next(key for key, there in given.items() if there)
            raise ValueError(f"{idle} has no effect: method ism needs no references; leave it out")
        return self


_OF_PEAK = 2
"""Targets that have a peak at a selected window, at the most on average: a guess."""


def _products(config: AttributeConfig, model) -> list[str]:
    paths = ["attributions.h5", "attribution_summary.tsv"]
    targets = [model.file_names[t] for t in explained_targets(config, model)]
    if config.tracks:
        paths += [f"tracks/{t}.attr.bw" for t in targets]
    if config.export and config.hypothetical:
        paths += [f"export/{t}.{kind}" for t in targets for kind in ("shap.h5", "narrowPeak")]
    return paths


def explained_targets(config: AttributeConfig, model: ModelConfig) -> list[str]:
    """Return the targets that may be explained, in the model's order."""
    names = model.target_names
    return names if isinstance(config.targets, str) else model.chosen(config.targets)


def all_of_a_window(config: AttributeConfig, selects: bool) -> bool:
    """Return whether each window is explained for the same targets; selects: are there peaks."""
    return config.targets != "own" or not selects


def _passes(config: AttributeConfig, model: ModelConfig, selects: bool) -> float:
    """Forward and back through example and reference take as long as three passes."""
    n = len(explained_targets(config, model))
    return 3 * config.n_references * (n if all_of_a_window(config, selects) else min(n, _OF_PEAK))


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    config = run.steps.attribute
    span = config.references_span_bp
    named = None if isinstance(config.targets, str) else config.targets
    return unknown_targets("steps.attribute.targets", named, models) + [
        f"steps.attribute.references_span_bp: {list(span)} reaches beyond the window of model "
        f"{name} ({model.window_bp} bp)"
        for name, model in models.items()
        if span is not None and not model.is_language_model and span[1] > model.window_bp
    ]


def _drawn(config: AttributeConfig, model: ModelConfig | None) -> list[str]:
    if model is None or model.has_many_targets:
        return []
    return [f"regions.{name}" for name in model.file_names.values()]


def _disk(config: AttributeConfig, model: ModelConfig, is_genome: bool) -> float:
    width = model.window_bp
    n = len(explained_targets(config, model))
    n = min(n, _OF_PEAK) if config.targets == "own" else n
    kept = min(config.save_bp, width) if config.hypothetical else 0
    # Values and their standard deviation; four float16; tokens; texts of a window, which vary.
    one = n * (2 * FLOAT_BYTES * width + 4 * 1.8 * kept) + width / 3 + 40
    export = n * kept * 12 if config.export and kept else 0
    return 2 * one + export + FLOAT_BYTES * width * n * is_genome * config.tracks


STEP = Step(
    name="attribute",
    version=5,
    added={"gradient_correction": False},
    order=30,
    config=AttributeConfig,
    title="Attributions",
    products=_products,
    browser={
        ".attr.bw": Shown(
            "attribution",
            "44,122,75",
            "How much each base of the genome adds to the target, by DeepLIFT/SHAP. Where windows "
            "overlap, of the window whose centre is nearest.",
            as_letters=True,
        )
    },
    drawn=_drawn,
    faults=_faults,
    reads_regions=True,
    passes=_passes,
    disk=_disk,
    explains=True,
    drops=lambda config: "regions",
    unscoped=frozenset({"batch_size", "on_incomplete", "max_delta", "tracks", "export"}),
)
