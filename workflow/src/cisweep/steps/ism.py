"""ism: what every single substitution in chosen regions does to each target."""

from pathlib import Path

from pydantic import Field

from cisweep.steps.base import Shown, Step, TargetsConfig


class IsmConfig(TargetsConfig):
    """Saturation mutagenesis of the strongest selected peaks, of a BED file, or of all regions."""

    bed: Path | None = None
    """BED3 to BED12 or narrowPeak of the regions to mutate; null = the selected peaks, or all
    regions of the run if the step select is off."""
    top_n: int | None = Field(20, ge=1)
    """Number of selected peaks per target, the strongest ones that do not overlap a stronger one;
    null = all of these. Not used with bed."""
    span_bp: int | None = Field(None, ge=1)
    """Number of central bases that are mutated; null = the whole window."""
    batch_size: int = Field(32, ge=1)
    """Mutants that go to the device at once."""
    top_figures: int = Field(5, ge=0)
    """Number of regions per target, those with the highest predictions, that are drawn as heat map
    and logo."""
    tracks: bool = True
    """Write one bigWig per target (not for `sequences`)."""


def _products(config: IsmConfig, model) -> list[str]:
    paths = ["ism.h5"]
    if config.tracks:
        paths += [f"tracks/{model.file_names[t]}.ism.bw" for t in model.target_names]
    if config.top_figures:
        paths += [f"figures/ism.{model.file_names[t]}.svg" for t in model.target_names]
    return paths


STEP = Step(
    name="ism",
    version=4,
    order=35,
    config=IsmConfig,
    title="Saturation mutagenesis",
    products=_products,
    takes_model=lambda model: not model.is_language_model,
    browser={
        ".ism.bw": Shown(
            "mutagenesis",
            "44,122,75",
            "How much higher the target is with each base of the genome than in the mean over the "
            "four bases there. Where windows overlap, of the window whose centre is nearest.",
            as_letters=True,
        )
    },
    reads_regions=True,
    heavy=lambda model: 3.0 * model.window_bp,
    drops=lambda config: "regions" if config.bed is None else "own_regions",
    unscoped=frozenset({"batch_size", "bed", "top_n", "top_figures", "tracks"}),
    added={"targets": None},
)
