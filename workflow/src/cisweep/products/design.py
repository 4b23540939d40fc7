"""Products of design. Sequences and edits are in + orientation."""

from cisweep.products.base import DROPPED, PLACE, STRAND, Field, Product

_SCALE = "scale of the target"
DESIGNS = Product(
    "design/designs.parquet",
    "One row a design (or baseline) and target of any model.",
    (
        Field("design", "text", "its key: region|set of goals"),
        *PLACE,
        STRAND,
        Field("name", "text", "name of the region"),
        Field("goal", "text", "set of goals"),
        Field("method", "text", "`ledidi`, or a baseline: `beam`, `random`, `greedy_motif`"),
        Field("model", "text", "id of the model that predicts"),
        Field("target", "text", "target that is predicted"),
        Field("role", "text", "`goal`; `judge`: a model that took no part; `other`: no goal"),
        Field("kind", "text", "kind of the goal: value, change, keep, maximise, minimise"),
        Field("before", "float64", "prediction of the unedited window", _SCALE),
        Field("wanted", "float64", "prediction that is the goal", _SCALE),
        Field("after", "float64", "prediction with all proposed edits", _SCALE),
        Field("after_pruned", "float64", "prediction with the edits that are kept", _SCALE),
        Field("tolerance", "float64", "distance from the goal that still counts as "
              "reached", _SCALE),
        Field("reached", "bool", "are all goals of the set reached"),
        Field("n_edits", "int64", "proposed edits"),
        Field("n_edits_pruned", "int64", "edits that are kept"),
        Field("edits", "text", "those: position in the window from 0, base>base, joined by ;"),
        Field("gc_before", "float64", "share of G and C of the window"),
        Field("gc_after", "float64", "share of G and C of the design"),
        Field("kmer_distance", "float64", "Euclidean distance of the design's 4-mer shares to the "
              "nearest usual window"),
        Field("kmer_distance_before", "float64", "the same of the unedited window"),
        Field("off_distribution", "bool", "is it farther from the usual windows, by 4-mers or GC, "
              "than they are from each other"),
        Field("hits_gained", "text", "motifs with more hits than before, joined by ;"),
        Field("hits_lost", "text", "motifs with fewer hits"),
        Field("curve_edits", "list of int64", "edits kept as they are taken back one by one"),
        Field("curve_predictions", "list of float64", "prediction with these", _SCALE),
        Field("sequence_before", "text", "bases of the window"),
        Field("sequence_after", "text", "with all proposed edits"),
        Field("sequence_pruned", "text", "with the edits that are kept"),
        Field("fault", "text", "why there is no design, or nothing"),
    ),
)  # fmt: skip
HISTORY = Product(
    "design/history.h5",
    "How each design was made; a group a design, / in its name as %2F.",
    (
        Field("<design>/input_loss", "float64 (iterations)", "loss of the edits: their number"),
        Field("<design>/output_loss", "float64 (iterations)", "loss of the goals"),
        Field("<design>/total_loss", "float64 (iterations)", "both"),
        Field("<design>/edits", "int32 (n, 4)", "iteration from 0, sample of the batch, base (0 to "
              "3), position; an edit stands twice, with the base that came and the one that went"),
        Field("<design>/attributions", "float32 (3, L)", "of the observed base: before, with all "
              "edits, pruned", _SCALE, "the design can be attributed"),
    ),
)  # fmt: skip
PRODUCTS = (
    DESIGNS,
    HISTORY,
    Product("design/designs.fa", "The pruned sequence of each design (FASTA)."),
    Product("design/edits.vcf.gz", "All edits (VCF): DESIGN lists the designs with it, KEPT those "
            "that keep it."),
    Product("design/edits.vcf.gz.tbi", "Its tabix index."),
    Product("design/dropped.tsv", "Regions without a design, and why.", DROPPED),
    *(
        Product(f"design/figures/{name}.svg", what)
        for name, what in (
            ("goals", "Predictions before and after, beside what is wanted."),
            ("loss", "Losses by iteration."),
            ("pruning", "Prediction as edits are taken back."),
            ("logos", "Attributions before and after."),
            ("edits", "Attributions of the edits, kept or not."),
            ("kept", "How many edits are kept."),
            ("hits", "Motifs that are gained and lost."),
        )
    ),
)  # fmt: skip
