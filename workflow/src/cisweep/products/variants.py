"""Products of variants. `pos_1based` is VCF's POS; `start` and `end` are those of BED."""

from cisweep.products.base import DROPPED, PLACE, Field, Product

_SCALE = "scale of the target"
_ALLELES = (
    Field("pos_1based", "int64", "first base of `ref`, from 1, as in VCF"),
    Field("ref", "text", "reference allele, left-normalised"),
    Field("alt", "text", "alternate allele"),
    Field("id", "text", "ID of the file"),
)
_FIELDS = (
    *PLACE,
    *_ALLELES,
    Field("group", "text", "group that the user gave"),
    Field("kind", "text", "snv, mnv, insertion, deletion, or delins (a replacement of unequal "
          "length)"),
    Field("shifted_bp", "int64", "how far left-normalisation moved it", "bp"),
    Field("source", "text", "chrom:pos_1based:ref:alt as in the file"),
    Field("n_joined", "int64", "variants of a haplotype that share the window with it"),
    Field("haplotype", "text", "haplotypes of the sample that the row shows; empty without one"),
    Field("target", "text", "target that is predicted"),
    Field("scale", "text", "its scale: logit, log_counts, …"),
    Field("prediction_ref", "float32", "prediction of the reference allele", _SCALE),
    Field("prediction_alt", "float32", "prediction of the alternate allele", _SCALE),
    Field("delta", "float32", "alternate − reference", _SCALE),
    Field("delta_sd", "float32", "its standard deviation over folds and strands", _SCALE),
    Field("log2fc", "float32", "log2 of alternate over reference; missing where the scale has no "
          "fold change", "log2"),
    Field("delta_probability", "float32", "change of the probability, of logits and probabilities"),
    Field("profile_jsd", "float32", "Jensen-Shannon distance of the profiles, base 2, 0 to 1"),
    Field("profile_max", "float32", "largest change of a position's share of the profile, signed"),
    Field("profile_max_abs", "float32", "its size"),
    Field("active_allele_quantile", "float32", "rank of the more active allele among the peaks' "
          "predictions, 0 to 1"),
    Field("p_value", "float32", "two-sided, against the variant within shuffled flanks"),
    Field("q_value", "float32", "Benjamini-Hochberg over the variants"),
)  # fmt: skip
EFFECTS = Product("<model>/variants.parquet", "Effects, one row a variant and target.", _FIELDS)
WIDE = Product(
    "<model>/variants.wide.tsv",
    "Effects, one row a variant (and haplotype), columns of each target.",
    (
        *PLACE,
        *_ALLELES,
        Field("group", "text", "group that the user gave"),
        Field("haplotype", "text", "haplotypes of the sample that the row shows; empty without "
              "one"),
        Field("delta_<target>", "float32", "alternate − reference", _SCALE),
        Field("q_value_<target>", "float32", "Benjamini-Hochberg over the variants", "",
              "`steps.variants.n_nulls` is above 0"),
    ),
    when="`steps.variants.wide` is set",
)  # fmt: skip
HITS = Product(
    "<model>/variants.<target>.hits.tsv",
    "Motif hits that differ between the alleles of the variants with the largest effects.",
    (
        PLACE[0],
        *_ALLELES,
        Field("change", "text", "`lost` (only the reference has it), `gained`, or `changed`"),
        Field("motif", "text", "id of the motif"),
        Field("name", "text", "its name"),
        Field("strand", "text", "strand of the match"),
        Field("start", "int64", "first base of the match on the reference", "bp"),
        Field("end", "int64", "base behind it", "bp"),
        Field("score_ref", "float64", "score in the reference allele; missing without a match",
              "bits"),
        Field("score_alt", "float64", "score in the alternate allele", "bits"),
        Field("p_ref", "float64", "p-value of `score_ref`"),
        Field("p_alt", "float64", "p-value of `score_alt`"),
    ),
    when="`steps.variants.top_n` is set",
)  # fmt: skip
SELECTED = Product(
    "variants/selected.parquet",
    "The variants that can be scored, in genome order.",
    (
        PLACE[0],
        *_ALLELES,
        Field("group", "text", "group that the user gave"),
        Field("row", "int64", "number of the record in its file, from 1"),
        Field("shifted_bp", "int64", "how far left-normalisation moved it", "bp"),
        Field("source", "text", "chrom:pos_1based:ref:alt as in the file"),
        Field("genotype", "text", "of the chosen sample: 1 is this allele"),
    ),
)
PRODUCTS = (
    EFFECTS,
    WIDE,
    Product("<model>/variants.tsv", "The same as text.", _FIELDS),
    Product("<model>/variants.vcf.gz", "The same as VCF: one record an allele, its effects in INFO "
            "fields that the header describes (DELTA_target, LFC_target, …)."),
    Product("<model>/variants.vcf.gz.tbi", "Its tabix index."),
    Product("<model>/variants.dropped.tsv", "Variants without an effect, and why.", DROPPED),
    HITS,
    SELECTED,
    Product("variants/unread.tsv", "Records that cannot be scored, and why.", DROPPED),
    Product("<model>/figures/variants.volcano.svg", "Effects and p-values of all variants."),
    Product("<model>/figures/variants.<target>.logos.svg", "Attributions of both alleles of the "
            "variants with the largest effects.", when="`steps.variants.top_n` is set"),
)  # fmt: skip
