"""Products of space."""

from cisweep.products.base import EFFECT, Field, Product

_SCALE = "scale of the target"
SPACE = Product(
    "<model>/space.parquet",
    "What two motifs change at a distance, one row a pair, orientation, distance and target.",
    (
        Field("motif_a", "text", "id of the left motif"),
        Field("name_a", "text", "its name"),
        Field("motif_b", "text", "id of the right motif"),
        Field("name_b", "text", "its name"),
        Field("orientation", "text", "strands of both: `++`, `+-`, `-+`, `--`"),
        Field("distance_bp", "int64", "bases between the motifs", "bp"),
        *EFFECT,
        Field("interaction", "float64", "effect of the pair − those of each motif alone", _SCALE),
        Field("interaction_ci_low", "float64", "lower end of its 95 % interval", _SCALE),
        Field("interaction_ci_high", "float64", "upper end of it", _SCALE),
    ),
)  # fmt: skip
PRODUCTS = (
    SPACE,
    Product("<model>/figures/space.svg", "Interaction by distance, of the first pairs."),
)  # fmt: skip
