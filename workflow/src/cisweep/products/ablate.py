"""Products of ablate."""

from cisweep.products.base import EFFECT, PLACE, STRAND, Field, Product

_SCALE = "scale of the target"
_MOTIF = (
    Field("motif", "text", "id of the motif"),
    Field("name", "text", "its name"),
)
ABLATE = Product(
    "<model>/ablate.parquet",
    "What shuffling a motif's hits changes, one row a motif and target.",
    (
        *_MOTIF,
        *EFFECT,
        Field("control", "float64", "mean effect of random spans of the same windows", _SCALE),
        Field("difference", "float64", "effect − control", _SCALE),
        Field("difference_ci_low", "float64", "lower end of its 95 % interval (Student's t)",
              _SCALE),
        Field("difference_ci_high", "float64", "upper end of it", _SCALE),
        Field("p_value", "float64", "two-sided, exact over which spans of the windows are the "
              "hits"),
        Field("q_value", "float64", "Benjamini-Hochberg over the motifs"),
        Field("rank", "int64", "rank in the target by `difference_ci_high`, the largest loss "
              "first"),
    ),
)  # fmt: skip
HITS = Product(
    "<model>/ablate.hits.parquet",
    "The effect of each hit, one row a hit and target.",
    (
        *PLACE,
        STRAND,
        *_MOTIF,
        Field("p_value", "float64", "of the match, as in hits.parquet"),
        Field("window_start", "int64", "start of the window that is predicted", "bp"),
        Field("window_end", "int64", "end of it", "bp"),
        Field("window_strand", "text", "strand of it"),
        Field("target", "text", "target that is predicted"),
        Field("effect", "float64", "mean change of the prediction when the hit is "
              "shuffled", _SCALE),
        Field("control", "float64", "the same of random spans of the window", _SCALE),
        Field("effect_p_value", "float64", "two-sided, against the random spans of all hits of the "
              "motif"),
        Field("effect_q_value", "float64", "Benjamini-Hochberg over the hits of the motif"),
    ),
)  # fmt: skip
PRODUCTS = (
    ABLATE,
    HITS,
    Product("<model>/figures/ablate.svg", "The motifs with the largest effects of each target."),
)
