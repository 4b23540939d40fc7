"""Products of select."""

from cisweep.products.base import PLACE, STRAND, Field, Product

PEAKS = Product(
    "<model>/peaks.tsv",
    "Predicted peaks, one row a window and target.",
    (
        *PLACE,
        STRAND,
        Field("target", "text", "target whose prediction is a peak here"),
        Field("prediction", "float64", "prediction of the window", "scale of the target"),
        Field("p_value", "float64", "share of peaks of shuffled sequence that are as high; missing "
              "without a null"),
        Field("q_value", "float64", "false discovery rate of the peaks that are as high"),
        Field("specificity", "float64", "how specific the prediction is for the target: its share "
              "of the sum over targets (`proportion`), standard deviations above their mean (`z`), "
              "or the Gini index of the window where the target is its highest (`gini`)", "",
              "`steps.select.by` is `specificity`"),
    ),
)  # fmt: skip
SUMMARY = Product(
    "<model>/peaks_summary.tsv",
    "One row a target: what was tested and selected.",
    (
        Field("target", "text", "its name"),
        Field("n_windows", "int64", "windows of the sweep"),
        Field("n_maxima", "int64", "local maxima among them: what is tested"),
        Field("n_null_windows", "int64", "windows of shuffled sequence that were predicted; 0 "
              "without a null"),
        Field("n_null_maxima", "int64", "local maxima among them"),
        Field("highest", "float64", "largest prediction", "scale of the target"),
        Field("smallest_q", "float64", "smallest q-value of a maximum"),
        Field("rate", "float64", "false discovery rate at which a maximum counts as above chance"),
        Field("n_above_chance", "int64", "maxima with a q-value of at most `rate`"),
        Field("n_needed", "int64", "maxima that must stand above the whole null for any to pass "
              "`rate`"),
        Field("n_selected", "int64", "peaks"),
        Field("fdr", "float64", "false discovery rate of the peaks: their largest q-value"),
    ),
)  # fmt: skip
PRODUCTS = (
    Product("<model>/peaks.bed", "Predicted peaks (BED6): name is the targets, joined by a comma "
            "(a comma of a name is ~2c, a ~ is ~7e); "
            "score is 0 for the lowest and 1000 for the highest selected prediction of a target."),
    PEAKS,
    SUMMARY,
)  # fmt: skip
