"""Products of seqlets."""

from cisweep.products.base import PLACE, Field, Product

_GIVEN = "given the selection of the windows"
SEQLETS = Product(
    "<model>/seqlets.parquet",
    "Seqlets, each place of the genome once.",
    (
        Field("target", "text", "target whose attribution it is"),
        *PLACE,
        Field("sign", "text", "`+` raises the prediction, `-` lowers it"),
        Field("attribution", "float64", "sum over the span", "scale of the target"),
        Field("p_value", "float64", "of the span against all windows' attributions"),
        Field("sequence", "text", "its bases, + strand"),
        Field("window_start", "int64", "start of the window that it was called in: the one whose "
              "centre is nearest", "bp"),
        Field("window_end", "int64", "end of that window", "bp"),
        Field("n_windows", "int64", "windows in which it was called"),
        Field("q_value", "float64", "false discovery rate against shuffled copies of the windows, "
              f"per target and sign; {_GIVEN}"),
        Field("motif", "text", "name of the motif; missing: no name"),
        Field("motif_id", "text", "its id in the motif file"),
        Field("motif_p_value", "float64", "p-value of the match, or Tomtom's where it gives the "
              "name"),
        Field("motif_q_value", "float64", "Tomtom's q-value over all known motifs; missing where a "
              "match gives the name"),
        Field("motif_strand", "text", "strand of the motif"),
        Field("name_by", "text", "what gives the name. `hit`: the match that wins the place, of a "
              "family that drives the target; `pair`: a match over the seqlet and its neighbour; "
              "`tomtom`: the closest motif by Tomtom"),
        Field("name_p_value", "float64", "share of random spans that are named as well"),
        Field("family", "text", "family of the motif, as in motif_families.tsv"),
        Field("family_rank", "float64", "rank of the family in the target"),
        Field("nearest_motifs", "text", "closest known motifs by Tomtom, named or not: name:p:q, "
              "joined by ;"),
        Field("nearest_ids", "text", "their ids, in the same order"),
    ),
)  # fmt: skip
SUMMARY = Product(
    "<model>/seqlet_summary.tsv",
    "One row a target and sign: calls in sequence and in shuffled sequence.",
    (
        Field("target", "text", "its name"),
        Field("sign", "text", "`+` or `-`"),
        Field("n_called", "int64", "spans that were called"),
        Field("n_decoys", "int64", "spans that were called in shuffled sequence"),
        Field("null_ratio", "float64", "positions of shuffled sequence for each position"),
        Field("n_seqlets", "int64", "spans that pass the false discovery rate"),
        Field("lowest_rate", "float64", "lowest false discovery rate that any threshold reaches"),
        Field("n_named", "int64", "seqlets that have a name"),
        Field("random_named", "float64", "share of random spans of the same windows that get one"),
    ),
)  # fmt: skip
PRODUCTS = (
    Product("<model>/seqlets.bed", "Seqlets (BED6): name is target:motif, with :negative behind it "
            "where the attribution is below 0; score is its size, 1000 for the target's largest; "
            "strand is the motif's."),
    SEQLETS,
    SUMMARY,
)  # fmt: skip
