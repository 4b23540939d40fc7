"""variants: what each variant of a VCF or table changes in the model's predictions."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from cisweep.config.model import ModelConfig
from cisweep.steps.base import Shown, Step, TargetsConfig


class VariantsConfig(TargetsConfig):
    """Effects of variants, each in a window centred on it."""

    path: Path = Field(examples=["my_variants.vcf.gz"])
    """VCF, VCF.gz, BCF, or a table with columns chrom, pos_1based, ref, alt and optionally id and
    group (.tsv, .txt, .csv, also .gz)."""
    contig_aliases: dict[str, str] = {}
    """For a contig in the file, by its name, the name in the genome."""
    group_info: str | None = None
    """INFO field of a VCF that gives the group of a variant."""
    max_allele_bp: int = Field(1000, ge=1)
    """Longer alleles are dropped with a reason; so are those longer than half the window."""
    max_dropped: float = Field(0.5, ge=0, le=1)
    """The run fails if a larger share of the variants cannot be scored. Reference blocks of a gVCF
    (<NON_REF>, <*>) and * are not counted. A file of at most 5000 alleles is checked before any
    job."""
    trim: Literal["left", "right", "centre"] = "right"
    """Where the window of an indel loses or gains bases: on the right (its first base stays), on
    the left (its last base stays), or on both sides (the allele's middle stays in the centre).
    Tracks that the model reads (bigWig) are cut in the same way; an inserted base has the value on
    its left."""
    haplotype: bool = False
    """Put the other variants of a window into the alternate allele too: all that fit together, or,
    with `sample`, those on the same haplotype."""
    sample: str | None = None
    """Sample of a VCF whose genotypes tell which variants are on one haplotype (`0|1`, phase sets
    PS). Variants that it does not carry are left out. If heterozygous variants of a window are not
    phased to each other, the variant is dropped with the reason `unphased`. Needs haplotype."""
    n_nulls: int = Field(0, ge=0)
    """Number of draws of shuffled flanks per variant, for empirical p- and q-values; 0 for none."""
    max_nulls: int = Field(100_000, ge=100)
    """Number of draws that are kept over all variants; the smallest p-value is 1 / (this + 1)."""
    top_n: int = Field(10, ge=0)
    """Number of variants per target whose alleles are shown: attributions, hits gained and lost."""
    wide: bool = False
    """Write a table with a row a variant and columns of each target too (variants.wide.tsv)."""
    batch_size: int = Field(128, ge=1)
    """Windows that go to the device at once."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.haplotype and self.n_nulls:
            raise ValueError("n_nulls must be 0 with haplotype: nulls shuffle the flanks")
        if self.sample is not None and not self.haplotype:
            raise ValueError(
                "sample tells which variants share a haplotype, so it needs haplotype: true"
            )
        return self


def _products(config: VariantsConfig, model: ModelConfig) -> list[str]:
    found = ["variants.tsv", "variants.parquet", "variants.vcf.gz", "variants.vcf.gz.tbi"]
    found += ["variants.dropped.tsv", "figures/variants.volcano.svg"]
    found += ["variants.wide.tsv"] if config.wide else []
    for target in model.target_names if config.top_n else []:
        file = model.file_names[target]
        found += [f"figures/variants.{file}.logos.svg", f"variants.{file}.hits.tsv"]
    return found


STEP = Step(
    name="variants",
    version=5,
    order=60,
    config=VariantsConfig,
    title="Variants",
    about="variants and designs",
    products=_products,
    # The variants of a language model are the matter of zero_shot.
    takes_model=lambda model: not model.is_language_model,
    reserved=frozenset({"variants"}),
    browser={
        "variants.vcf.gz": Shown(
            "variants",
            "124,58,160",
            "Scored variants; their effects, alternate less reference allele, stand in INFO.",
        )
    },
    drops=lambda config: "items",
    unscoped=frozenset({"batch_size", "path", "max_dropped", "top_n", "wide"}),
    added={"targets": None},
)
