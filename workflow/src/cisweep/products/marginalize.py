"""Products of marginalize."""

from cisweep.products.base import EFFECT, Field, Product

MARGINALIZE = Product(
    "<model>/marginalize.parquet",
    "What a motif in the middle of background windows changes, one row a motif and target.",
    (
        Field("motif", "text", "id of the motif"),
        Field("name", "text", "its name"),
        *EFFECT,
        Field(
            "mean_before", "float64", "mean prediction of the backgrounds", "scale of the target"
        ),
        Field("mean_after", "float64", "the same with the motif", "scale of the target"),
        Field("rank", "int64", "rank in the target by `ci_low`, 1 is first"),
    ),
)  # fmt: skip
PRODUCTS = (
    MARGINALIZE,
    Product("<model>/figures/marginalize.svg", "The strongest motifs of each target."),
)  # fmt: skip
