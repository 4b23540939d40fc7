"""Products of discover."""

from cisweep.products.base import MOTIF_NAME, Field, Product

FOUND = Product(
    "<model>/discover/<target>.tsv",
    "Motifs that tf-modiscolite found, one row a motif.",
    (
        Field("pattern", "text", "its name in the .h5 and the .meme"),
        Field("sign", "text", "sign of its attribution"),
        Field("n_seqlets", "int64", "seqlets in it"),
        Field("consensus", "text", "consensus in IUPAC letters"),
        Field("reverse_complement", "text", "consensus of the other strand"),
        Field("mean_attribution", "float64", "mean over its seqlets of the attribution summed over "
              "the trimmed motif", "scale of the target"),
        *MOTIF_NAME,
        Field("name_p_value", "float64", "share of random patterns with as close a motif"),
        Field("nearest_motifs", "text", "closest known motifs, named or not: name:p, joined by ;"),
    ),
)  # fmt: skip
SEQLETS = Product(
    "<model>/discover/<target>.seqlets.tsv",
    "What became of the seqlets, one row a sign.",
    (
        Field("sign", "text", "`+` or `-`"),
        Field("found", "int64", "seqlets that were called"),
        Field("repeated", "int64", "left out, since another window covers their place better"),
        Field("clustered", "int64", "seqlets that were clustered"),
        Field("in_motifs", "int64", "seqlets that stand in a motif"),
        Field("motifs", "int64", "motifs of this sign"),
        Field("note", "text", "why there is none, in words"),
    ),
)
PRODUCTS = (
    FOUND,
    SEQLETS,
    Product("<model>/discover/<target>.modisco.h5", "The motifs in tf-modiscolite's layout, for "
            "its "
            "own reports and for finemo: `pos_patterns`, `neg_patterns`; in each pattern "
            "`sequence`, "
            "`contrib_scores`, `hypothetical_contribs` (positions, 4), and its `seqlets` with "
            "`example_idx` (row of export/regions.narrowPeak), `start`, `end`, `is_revcomp`.",
            any_fields=True),
    Product("<model>/discover/<target>.meme", "The motifs, trimmed, in MEME's minimal format."),
    Product("<model>/figures/discover.<target>.svg", "Logos of the motifs."),
)  # fmt: skip
