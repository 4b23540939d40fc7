"""Products of train."""

from cisweep.products.base import Field, Product

_SOME = "the kind of task has it"
METRICS = Product(
    "train/<trained>/metrics.tsv",
    "Metrics of rows that the model has not seen, one row a number.",
    (
        Field("fold", "int64", "fold of the training"),
        Field("task", "text", "output of the model"),
        Field("scorer", "text", "`model`, or a baseline or ceiling on the same rows"),
        Field("metric", "text", "auroc, auprc, pearson, spearman, r2, mse, …"),
        Field("value", "float64", "the number"),
        Field("n", "int64", "rows behind it"),
        Field("subset", "text", "rows that it is of", when=_SOME),
        Field("negatives", "text", "negatives that positives are compared with", when=_SOME),
        Field("positives", "int64", "number of positives", when=_SOME),
        Field("base_rate", "float64", "share of positives: what chance has as auprc", when=_SOME),
        Field("low", "float64", "lower end of the 95 % interval", when=_SOME),
        Field("high", "float64", "upper end of it", when=_SOME),
    ),
)
CALIBRATION = Product(
    "train/<trained>/calibration.tsv",
    "Predicted and observed shares, one row a bin; empty for tasks without labels.",
    (
        Field("fold", "int64", "fold of the training"),
        Field("task", "text", "output of the model", when=_SOME),
        Field("bin", "int64", "bin of the prediction", when=_SOME),
        Field("n", "int64", "rows in it", when=_SOME),
        Field("predicted", "float64", "mean prediction", when=_SOME),
        Field("observed", "float64", "mean label", when=_SOME),
    ),
)
HISTORY = Product(
    "train/<trained>/history.tsv",
    "One row an epoch.",
    (
        Field("fold", "int64", "fold of the training"),
        Field("epoch", "int64", "number, from 1"),
        Field("learning_rate", "float64", "of the optimiser"),
        Field("train_loss", "float64", "mean loss of the training part"),
        Field("train_<loss>", "float64", "its part of one kind", when=_SOME),
        Field("validation_loss", "float64", "mean loss of the validation part"),
        Field("validation_<metric>", "float64", "metric of the validation part; with _low and "
              "_high "
              "the ends of its interval", when=_SOME),
    ),
)  # fmt: skip
DROPPED = Product(
    "train/<trained>/dropped.tsv",
    "Rows that are not used, and why.",
    (
        Field("fold", "int64", "fold of the training"),
        Field("name", "text", "place or name of the row"),
        Field("reason", "text", "why, in one word"),
        Field("detail", "text", "more of it"),
    ),
)
SPOT_CHECK = Product(
    "train/spot_check.tsv",
    "Predictions of the sequences of `spot_check`, one row a model and sequence.",
    (
        Field("model", "text", "trained model"),
        Field("sequence", "text", "the sequence"),
        Field("<task>", "float64", "prediction of this output", "of the task", "there are rows"),
    ),
)
PRODUCTS = (
    Product("train/<trained>/model.yaml", "The trained model, ready for `models`."),
    Product("train/<trained>/fold<fold>.safetensors", "Weights of a fold."),
    METRICS,
    CALIBRATION,
    HISTORY,
    DROPPED,
    Product("train/<trained>/card.md", "Model card: data with checksums, split, metrics, recipe, "
            "command."),
    Product("train/<trained>/tracks/<file>.bw", "5' ends of reads (bigWig), where BAM or fragments "
            "are given; `<number of the file>.plus`, `.minus` or `.both`.", when="reads are given"),
    Product("train/<trained>/fold<fold>.json", "Evidence of a fold, from which the tables are "
            "made.",
            any_fields=True),
    Product("train/<trained>/fold<fold>.heldout.tsv", "Observed and predicted values of rows that "
            "the fold has not seen.", any_fields=True),
    *(
        Product(f"train/<trained>/{name}", what)
        for name, what in (
            ("loss.svg", "Loss by epoch."),
            ("parity.svg", "Predicted against observed."),
            ("parity.html", "The same, to hover over."),
            ("calibration.svg", "Predicted and observed shares."),
            ("labels.svg", "Labels of the parts of the split."),
            ("filters.svg", "First-layer filters as motifs."),
            ("filter_weights.svg", "Their weights."),
        )
    ),
    Product("train/loss.svg", "Loss of all trained models."),
    SPOT_CHECK,
)  # fmt: skip
