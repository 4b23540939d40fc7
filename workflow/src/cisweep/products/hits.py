"""Products of hits."""

from cisweep.products.base import PLACE, STRAND, Field, Product

_GIVEN = "given the selection of the windows"
HITS = Product(
    "<model>/hits.parquet",
    "Motif hits in the selected windows, one row a hit.",
    (
        *PLACE,
        Field("motif", "text", "id of the motif in the motif file"),
        Field("name", "text", "its name"),
        STRAND,
        Field("score", "float64", "log-odds of the match against the background", "bits"),
        Field("p_value", "float64", "exact p-value of the score under the background"),
        Field("q_value", "float64", "Benjamini-Hochberg over the positions and strands of the "
              "hit's "
              f"motif; {_GIVEN}"),
        Field("q_value_pooled", "float64", "Benjamini-Hochberg over the positions and strands of "
              f"all motifs; {_GIVEN}"),
        Field("attribution_<target>", "float64", "sum of the attributions of its bases",
              "scale of the target"),
        Field("cosine_<target>", "float64", "cosine of hypothetical attributions and motif matrix: "
              "1 where the model wants the bases that the motif wants; missing without "
              "hypothetical "
              "attributions"),
        Field("best_<target>", "bool", "does it win its place among overlapping hits"),
    ),
)  # fmt: skip
RANKING = Product(
    "<model>/motif_ranking.tsv",
    "One row a motif and target, overlaps resolved.",
    (
        Field("target", "text", "target whose attributions are summed"),
        Field("motif", "text", "id of the motif"),
        Field("name", "text", "its name"),
        Field("n_hits", "int64", "hits that win their place"),
        Field("mean", "float64", "mean over them of the summed attribution", "scale of the target"),
        Field("sum", "float64", "sum over them", "scale of the target"),
        Field("null_mean", "float64", "mean of the hits of the motif's column-shuffled copies",
              "scale of the target"),
        Field("z", "float64", "normal quantile of `p_value`"),
        Field("p_value", "float64", f"of the mean against the shuffled copies; {_GIVEN}"),
        Field("q_value", "float64", "Benjamini-Hochberg over the motifs"),
        Field("rank_mean", "int64", "rank by `mean`, 1 is first"),
        Field("rank_sum", "int64", "rank by `sum`"),
        Field("rank_z", "int64", "rank by `z`"),
        Field("family", "text", "most alike motif before it in the ranking, if any"),
    ),
)  # fmt: skip
PRODUCTS = (
    Product("<model>/hits.bed", "Motif hits (BED6): name is motif:name, score is "
            "min(1000, −10 log10 p)."),
    HITS,
    RANKING,
    Product(
        "base_counts.json",
        "Bases of the source, from which the background of the scan is made.",
        (
            *(Field(base, "int", f"number of {base}") for base in "ACGTN"),
            Field("dinucleotides", "mapping", "dinucleotide -> how often it stands there"),
        ),
    ),
)  # fmt: skip
