"""discover: the motifs that attributions form, by tf-modiscolite."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from cisweep.config.base import Package
from cisweep.config.model import ModelConfig
from cisweep.steps.attribute import explained_targets
from cisweep.steps.base import Shown, Step, TargetsConfig

FOLDER = "motif_clusters"
CLUSTER_PRODUCTS = ("clusters.tsv", "members.tsv", "targets.tsv", "clusters.meme",
                    "figures/clusters.svg")  # fmt: skip
"""What is joined over the targets of all models, in results/<run>/motif_clusters/."""


class DiscoverConfig(TargetsConfig):
    """Motifs that the attributions of the selected regions form, by tf-modiscolite. A place that
    several regions cover gives one seqlet."""

    window_bp: int = Field(400, ge=40)
    """Number of central bases of each region in which seqlets are called. The bases around them, as
    far as a motif grows (40 bp on each side), are read too, if attribute's save_bp stores them."""
    max_regions: int = Field(20_000, ge=1)
    """Largest number of regions that are searched; if there are more, a sample is drawn by their
    coordinates. With a window of 400 bp, 20,000 regions take 1 GB."""
    min_seqlets: int = Field(100, ge=20)
    """With fewer seqlets of one sign, no motifs of this sign are searched for."""
    max_seqlets: int = Field(10_000, ge=20)
    """Largest number of seqlets of one sign that are clustered; each takes about 0.1 s and 0.15
    MB."""
    target_fdr: float = Field(0.05, gt=0, lt=1)
    """Accepted share of false seqlets, against a Laplace null."""
    n_leiden_runs: int = Field(2, ge=1)
    """Number of runs of the clustering; the best is kept, and their seeds are fixed."""
    nearest: int = Field(3, ge=1)
    """Number of closest motifs of the motif file that Tomtom lists for each discovered one."""
    cluster_similarity: float = Field(0.7, gt=0, lt=1)
    """Motifs of several targets and models are one cluster if the mean cosine of their matrices
    (best offset, either strand; weighted by information) is at least this."""
    name_rate: float = Field(0.05, gt=0, lt=1)
    """Largest share of random patterns that may have a name. A discovered motif has the name of the
    closest known motif if at most this share of random patterns has one as close. Random patterns
    are as certain as the motif and made of sequence drawn from the regions, or are the motif with
    its columns shuffled."""


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    own, attribute = run.steps.discover, run.steps.attribute
    if attribute is None:
        return []
    found = []
    if not attribute.hypothetical:
        mend = "set steps.attribute.hypothetical: true"
        found.append(f"steps.discover: needs the attributions of all four bases; {mend}")
    for name, model in models.items() if own.targets is not None else ():
        explained = set(explained_targets(attribute, model))
        found += [
            f"steps.discover.targets: {target} of model {name} is not explained; add it to "
            "steps.attribute.targets"
            for target in model.chosen(own.targets)
            if target not in explained
        ]
    return found


def _completed(run: Any) -> DiscoverConfig:
    """Where nobody says which targets, those that attribute explains."""
    own, attribute = run.steps.discover, run.steps.attribute
    if own.targets is not None or attribute is None or isinstance(attribute.targets, str):
        return own
    return own.model_copy(update={"targets": attribute.targets})


def discovered(config: DiscoverConfig, models: Mapping[str, ModelConfig]) -> list[tuple[str, str]]:
    """Return (model, target) of all that motifs are discovered for, in the order of the run."""
    return [(m, t) for m, model in models.items() for t in model.chosen(config.targets)]


STEP = Step(
    name="discover",
    version=5,
    order=45,
    config=DiscoverConfig,
    title="Motif discovery",
    about="motifs",
    products=lambda config, model: [
        path
        for t in map(model.file_names.get, model.target_names)
        for path in (
            f"discover/{t}.modisco.h5",
            f"discover/{t}.meme",
            f"discover/{t}.tsv",
            f"discover/{t}.seqlets.tsv",
            f"discover/{t}.instances.parquet",
            f"discover/{t}.instances.bed",
            f"figures/discover.{t}.svg",
        )
    ],
    browser={
        ".instances.bed": Shown(
            "motif instances",
            "0,110,130",
            "Seqlets of the motifs that discovery found, named by motif (and the known motif that "
            "it is like). Score: size of the attribution, 1000 for the largest of the target.",
        )
    },
    run_products=lambda config: [f"{FOLDER}/{name}" for name in CLUSTER_PRODUCTS],
    reserved=frozenset({FOLDER}),
    needs=("attribute",),
    needs_motifs=True,
    package=Package("modiscolite", "tf-modiscolite", "motifs"),
    faults=_faults,
    completed=_completed,
    given_selection=True,
    added={"targets": None},
)
