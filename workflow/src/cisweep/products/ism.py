"""Products of ism."""

from cisweep.products.base import REGIONS, Field, Product

_SCALE = "scale of the target"
ISM = Product(
    "<model>/ism.h5",
    "What every substitution of a region changes, one row a region; S mutated positions.",
    (
        *REGIONS,
        Field("predictions/<target>", "float32 (N)", "prediction of the window as it is", _SCALE),
        Field("effects/<target>", "float32 (N, 4, S)", "prediction of the mutant − of the window, "
              "A C G T; 0 at the observed base", _SCALE),
        Field("hypothetical/<target>", "float32 (N, 4, S)", "effects less their mean over the four "
              "bases", _SCALE),
        Field("attributions/<target>", "float32 (N, S)", "`hypothetical` of the observed base",
              _SCALE),
        Field("attributions_sd/<target>", "float32 (N, S)", "its standard deviation over strands "
              "and folds", _SCALE),
    ),
    (
        Field("span_start", "int", "first mutated position in the window, from 0", "bp"),
        Field("span_end", "int", "position behind the last one", "bp"),
    ),
)  # fmt: skip
PRODUCTS = (
    ISM,
    Product("<model>/ism/regions.bed", "The regions that were mutated (BED), where none are given.",
            when="no `steps.ism.bed` is given"),
    Product("<model>/tracks/<target>.ism.bw", "`attributions` of ism.h5 along the genome "
            "(bigWig)."),
    Product("<model>/figures/ism.<target>.svg", "Heat maps with logos of the regions with the "
            "highest predictions.", when="`steps.ism.top_figures` is set"),
)  # fmt: skip
