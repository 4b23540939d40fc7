"""Products of hits."""

from cisweep.products.base import PLACE, STRAND, Field, Product

_GIVEN = "given the selection of the windows"
_SCALE = "scale of the target"
_WHEN = "there are attributions"
HITS = Product(
    "<model>/hits.parquet",
    "Motif hits in the selected windows, one row a hit.",
    (
        *PLACE,
        Field("motif", "text", "id of the motif in the motif file"),
        Field("name", "text", "its name"),
        STRAND,
        Field("score", "float64", "log-odds of the match against the background", "bits"),
        Field("p_value", "float64", "exact p-value of the score under the background"),
        Field("q_value", "float64", "Benjamini-Hochberg over the positions and strands of the "
              "hit's "
              f"motif; {_GIVEN}"),
        Field("q_value_pooled", "float64", "Benjamini-Hochberg over the positions and strands of "
              f"all motifs; {_GIVEN}"),
        Field("attribution_<target>", "float64", "sum of the attributions of its bases",
              _SCALE, _WHEN),
        Field("cosine_<target>", "float64", "cosine of hypothetical attributions and motif matrix: "
              "1 where the model wants the bases that the motif wants; missing without "
              "hypothetical "
              "attributions", "", _WHEN),
        Field("projection_<target>", "float64", "hypothetical attributions along the matrix: what "
              "of them has its shape; missing like the cosine", _SCALE, _WHEN),
        Field("best_<target>", "bool", "does it win its place: has it the largest |projection| of "
              "the hits that overlap", "", _WHEN),
    ),
)  # fmt: skip
FAMILIES = Product(
    "<model>/motif_families.tsv",
    "Families of alike motifs, one row a family and target, first what explains most.",
    (
        Field("target", "text", "target whose attributions are summed"),
        Field("rank", "int64", "rank in the target, 1 explains most", "", _WHEN),
        Field("family", "text", "its name: that of its leading member", "", _WHEN),
        Field("motif", "text", "id of the leading member", "", _WHEN),
        Field("members", "text", "names of its members, joined by ;", "", _WHEN),
        Field("n_motifs", "int64", "number of its motifs", "", _WHEN),
        Field("n_places", "int64", "places that a match of a member wins", "", _WHEN),
        Field("explained", "float64", "sum of the attributions of these places", _SCALE, _WHEN),
        Field("mean", "float64", "mean of a place", _SCALE, _WHEN),
        Field("q_value", "float64", "lowest q-value of its members", "", _WHEN),
        Field("lowers_q_value", "float64", "lowest lowers_q_value of its members", "", _WHEN),
        Field("places_p_value", "float64", "of the mean of the places that it wins itself, against "
              "the column-shuffled copies, on the side of them where it lies", "", _WHEN),
        Field("drives", "bool", "is it said to raise the target: q_value and places_p_value at "
              "most 0.05, explained above 0", "", _WHEN),
        Field("lowers", "bool", "is it said to lower the target: lowers_q_value and "
              "places_p_value at most 0.05, explained below 0", "", _WHEN),
    ),
)  # fmt: skip
RANKING = Product(
    "<model>/motif_ranking.tsv",
    "One row a motif and target, in the order of the families.",
    (
        Field("target", "text", "target whose attributions are summed"),
        Field("rank", "int64", "rank in the target", "", _WHEN),
        Field("family_rank", "int64", "rank of its family", "", _WHEN),
        Field("family", "text", "its family", "", _WHEN),
        Field("motif", "text", "id of the motif", "", _WHEN),
        Field("name", "text", "its name", "", _WHEN),
        Field("n_hits", "int64", "all matches", "", _WHEN),
        Field("mean", "float64", "mean of their summed attributions", _SCALE, _WHEN),
        Field("sum", "float64", "sum of them", _SCALE, _WHEN),
        Field("n_places", "int64", "places that it wins", "", _WHEN),
        Field("explained", "float64", "sum of the attributions of these places", _SCALE, _WHEN),
        Field("null_mean", "float64", "mean of the matches of the motif's column-shuffled copies",
              _SCALE, _WHEN),
        Field("z", "float64", "normal quantile of `p_value`", "", _WHEN),
        Field("p_value", "float64", f"of the mean against the copies of all motifs; {_GIVEN}", "",
              _WHEN),
        Field("q_value", "float64", "Benjamini-Hochberg over the motifs", "", _WHEN),
        Field("lowers_p_value", "float64", "as p_value, of a mean as low", "", _WHEN),
        Field("lowers_q_value", "float64", "Benjamini-Hochberg of it over the motifs", "", _WHEN),
    ),
)  # fmt: skip
MOTIF_TARGETS = Product(
    "<model>/motif_targets.tsv",
    "What each target makes of each family of motifs, one row a family, target and sign with "
    "places; families that explain most of all targets first. Empty without attributions.",
    (
        Field("family", "text", "name of the family: that of its member that explains most of all "
              "targets"),
        Field("motif", "text", "id of that member"),
        Field("target", "text", "the target"),
        Field("sign", "text", "sign of the attribution of the places"),
        Field("n_places", "int64", "places that a match of a member wins"),
        Field("mean_attribution", "float64", "mean over them of the summed attribution", _SCALE),
        Field("mean_attribution_se", "float64", "its standard error over the places", _SCALE),
        Field("share", "float64", "their attribution over all of this sign in the windows"),
        Field("share_se", "float64", "its standard error over windows"),
        Field("expected", "float64", "places if all explained windows were dealt to the targets at "
              "random; missing, as what follows, for a model of one target"),
        Field("z", "float64", "how many standard deviations of these deals n_places is above it"),
        Field("p_value", "float64", "share of the deals with as many places or more (1,999 and "
              "the found one)"),
        Field("q_value", "float64", "its q-value over the rows of the families that drive or lower "
              "any target (Benjamini-Hochberg); missing for the others"),
    ),
)  # fmt: skip
PRODUCTS = (
    MOTIF_TARGETS,
    Product("<model>/figures/motif_targets.svg", "Families of motifs that drive or lower a target, "
            "and all targets: share of attribution as colours, logos along the side."),
    Product("<model>/hits.bed", "Hits that win their place (BED6): name is target:motif, with "
            ":negative behind it where the attribution is below 0; score is the effect, 1000 for "
            "the largest. Without attributions the motif alone, and min(1000, −10 log10 p). Of a "
            "sweep with attributions those in explained windows, unless `steps.hits.bed` is all."),
    HITS,
    FAMILIES,
    RANKING,
    Product(
        "base_counts.json",
        "Bases of the source, from which the background of the scan is made.",
        (
            *(Field(base, "int", f"number of {base}") for base in "ACGTN"),
            Field("dinucleotides", "mapping", "dinucleotide -> how often it stands there"),
        ),
    ),
)  # fmt: skip
