"""zero_shot: how far a DNA language model puts two sequences apart, without training."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cisweep.config.adapters import adapters_that
from cisweep.config.base import Strict
from cisweep.config.model import ModelConfig
from cisweep.steps.base import Step, StepConfig


class PairFiles(Strict):
    """Two FASTA files (plain or gzip), paired by order."""

    ref: Path
    """Reference sequences."""
    alt: Path
    """Alternate sequences, in the order of the reference sequences; names need not match."""
    group: str = ""
    """Group of all pairs of these files (exon, intron, …)."""


class ZeroShotConfig(StepConfig):
    """Scores of pairs of sequences by the models of adapter hf_lm."""

    pairs: list[PairFiles] = []
    """Pairs from files; without them the variants of the step `variants` are scored."""
    scores: list[
        Literal["l2", "cosine", "inner_product", "likelihood_ratio", "masked_token_ratio"]
    ] = ["l2"]
    """Distances of embeddings, log-likelihood ratio (pseudo-likelihood for a masked model), or the
    ratio at the masked base (masked models with single-base tokens). The first score is drawn and
    tested."""
    space: Literal["hidden", "logits"] = "hidden"
    """What is pooled into the embedding: the last hidden states, or the logits."""
    pooling: Literal["mean", "max"] = "mean"
    """How the tokens of a sequence become one vector."""
    special_tokens: bool = False
    """Pool special tokens (BOS, CLS, EOS and the like) too. Padding is never pooled."""
    both_strands: bool = False
    """Average the score over both strands."""
    limit: int | None = Field(None, ge=1)
    """Score only the first pairs (of each pair of files)."""
    rank_edits: bool = False
    """Rank each deletion among all deletions of its length, and each substitution among all single
    ones."""
    batch_size: int = Field(32, ge=1)
    """Sequences that go to the device at once."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.scores:
            raise ValueError("scores: give at least one score")
        return self


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    found = []
    readers = {name: model for name, model in models.items() if model.is_language_model}
    if models and not readers:
        adapters = " or ".join(adapters_that("is_language_model"))
        found.append(
            f"steps.zero_shot: no model of the run is a language model (adapter: {adapters})"
        )
    if not run.steps.zero_shot.pairs and run.steps.variants is None:
        found.append("steps.zero_shot: give pairs, or turn on the step variants")
    # Embeddings of two sets of weights have no common space in which a mean would say something.
    found += [
        f"models.{name}: steps.zero_shot reads one set of weights, and the model has "
        f"{len(model.folds)} folds; name each set as a model of its own"
        for name, model in readers.items()
        if len(model.folds) > 1
    ]
    found += [
        f"models.{name}: steps.zero_shot scores sequences without a chromosome; set "
        "fold_policy: mean in the model.yaml"
        for name, model in readers.items()
        if model.fold_policy == "held_out"
    ]
    return found


STEP = Step(
    name="zero_shot",
    version=1,
    order=65,
    config=ZeroShotConfig,
    title="Zero-shot with a DNA language model",
    about="variants and designs",
    products=lambda config, model: [
        "zero_shot.tsv",
        "zero_shot.embeddings.parquet",
        "zero_shot.tests.tsv",
        "figures/zero_shot.groups.svg",
        "figures/zero_shot.pca.svg",
    ],
    takes_model=lambda model: model.is_language_model,
    faults=_faults,
)
