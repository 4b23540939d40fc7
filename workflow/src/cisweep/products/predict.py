"""Products of predict."""

from cisweep.products.base import PLACE, STRAND, WINDOWS, Field, Product

PREDICTIONS = Product(
    "<model>/predictions.h5",
    "Predictions, one row a window.",
    (
        *WINDOWS,
        Field("predictions/<target>", "float32 (N)", "prediction, the mean over folds and strands",
              "scale of the target"),
        Field("predictions_sd/<target>", "float32 (N)", "standard deviation over folds; 0 with one",
              "scale of the target"),
        Field("predictions/<track>", "float32 (N, strands, positions)", "predicted counts along "
              "the "
              "middle of the window, + orientation", "counts per base or bin", "the model has "
              "tracks"),
    ),
)  # fmt: skip
REGIONS = (
    *PLACE,
    STRAND,
    Field("name", "text", "name that the region has in its BED"),
)
"""What stands before the targets in a table of regions × targets."""
_TARGET = Field("<target>", "float32", "prediction of the target of this name (`target <name>` for "
                "one that is called as a column before it)", "scale of the target")  # fmt: skip
METRICS = Product(
    "<model>/metrics.tsv",
    "How predictions compare with observed signal, one row a number.",
    (
        Field("name", "text", "target or track"),
        Field("metric", "text", "`pearson` and `spearman` of log1p counts; of a track also "
              "`profile_pearson` and `jensen_shannon_distance` (base 2), medians over windows"),
        Field("value", "float64", "the number"),
        Field("n", "int64", "windows behind it"),
        Field("windows", "text", "`all`, or `held out`: predicted by folds that did not see them"),
    ),
    when="`steps.predict.signal` is given",
)  # fmt: skip
PRODUCTS = (
    PREDICTIONS,
    Product("<model>/tracks/<target>.pred.bw", "Prediction along the genome (bigWig), in the "
            "target's scale. Each base has the value of the window whose centre is nearest."),
    *(
        Product(f"<model>/tracks/<track>.{strand}.pred.bw", "Predicted counts per base (bigWig) of "
                f"the {strand} strand.", when="the track has two strands")
        for strand in ("plus", "minus")
    ),
    Product("<model>/predictions.parquet", "Regions × targets: one row a region (or sequence), one "
            "column a target.", (*REGIONS, _TARGET)),
    Product("<model>/predictions.tsv", "The same as text.", (*REGIONS, _TARGET),
            when="regions × targets are at most 20 million numbers, or `steps.predict.tsv` is "
            "true"),
    Product("<model>/predictions.h5ad", "The same for scanpy (anndata): X are the predictions, obs "
            "the regions, var the targets with the columns of targets.tsv.",
            when="`steps.predict.h5ad` is true"),
    METRICS,
)  # fmt: skip
