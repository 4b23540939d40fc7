"""Products of attribute."""

from cisweep.products.base import REGIONS, Field, Product

_SCALE = "scale of the target"
_WHEN = "`steps.attribute.hypothetical` is set"
ATTRIBUTIONS = Product(
    "<model>/attributions.h5",
    "Attributions (DeepLIFT/SHAP unless another method is set). Each target has rows of its own, "
    "one for each window at which it is explained; `regions` and `tokens` are of all windows.",
    (
        *REGIONS,
        Field("rows/<target>", "int64 (n)", "which of the windows the target's n rows are of, from "
              "0, ascending"),
        Field("attributions/<target>", "float32 (n, L)", "attribution of the observed base, the "
              "mean over references, strands and folds", _SCALE),
        Field("attributions_sd/<target>", "float32 (n, L)", "its standard deviation over "
              "references",
              _SCALE),
        Field("attributions_fold_sd/<target>", "float32 (n, L)", "its standard deviation over "
              "folds "
              "of the model; 0 with one fold", _SCALE),
        Field("delta/<target>", "float32 (n)", "largest convergence delta of the window: how far "
              "its attributions are from adding up to prediction − reference", _SCALE),
        Field("delta_y/<target>", "float32 (n)", "mean |prediction(window) − "
              "prediction(reference)|",
              _SCALE),
        Field("hypothetical/<target>", "float16 (n, 4, K)", "attribution that each base would "
              "have, "
              "A C G T, at the central K = `save_bp` positions; as a share of "
              "`hypothetical_scale`, between −1 and 1", "", _WHEN),
        Field("hypothetical_scale/<target>", "float32 (n)", "what `hypothetical` of this window is "
              "to be multiplied by: its largest absolute value", _SCALE,
              _WHEN),
    ),
)  # fmt: skip
SUMMARY = Product(
    "<model>/attribution_summary.tsv",
    "One row a target: do the attributions add up to the predictions?",
    (
        Field("target", "text", "its name"),
        Field("n_windows", "int64", "attributed windows"),
        Field("mean_abs_delta_y", "float64", "mean |prediction(window) − prediction(reference)|",
              _SCALE),
        Field("max_delta", "float64", "largest convergence delta of any window", _SCALE),
        Field("max_delta_share", "float64", "`max_delta` / `mean_abs_delta_y`; 0 is exact"),
    ),
)  # fmt: skip
SHAP = Product(
    "<model>/export/<target>.shap.h5",
    "The same in ChromBPNet's layout, which tf-modiscolite and finemo read; rows as in "
    "<target>.narrowPeak.",
    (
        Field("raw/seq", "int8 (n, 4, K)", "one-hot bases, A C G T"),
        Field("shap/seq", "float16 (n, 4, K)", "hypothetical attributions", _SCALE),
        Field("projected_shap/seq", "float16 (n, 4, K)", "those of the observed bases", _SCALE),
    ),
    when="`steps.attribute.export` is set",
)  # fmt: skip
PRODUCTS = (
    ATTRIBUTIONS,
    SUMMARY,
    Product("<model>/tracks/<target>.attr.bw", "Attribution of each base (bigWig), in the target's "
            "scale; where windows overlap, that of the window whose centre is nearest."),
    SHAP,
    Product("<model>/export/<target>.narrowPeak", "The windows at which it is explained; "
            "column 10, the summit, is the window's centre.",
            when="`steps.attribute.export` is set"),
)  # fmt: skip
