"""Products of discover."""

from cisweep.products.base import MOTIF_NAME, PLACE, Field, Product

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
        Field("windows", "int64", "windows that were searched"),
        Field(
            "window_attribution",
            "float64",
            "attribution of this sign in the searched part of a window, the mean over windows",
            "scale of the target",
        ),
        Field(
            "window_attribution_sd",
            "float64",
            "its standard deviation over windows",
            "scale of the target",
        ),
        Field("note", "text", "why there is none, in words"),
    ),
)
INSTANCES = Product(
    "<model>/discover/<target>.instances.parquet",
    "Where the seqlets of the motifs lie, one row a seqlet, in genome order.",
    (
        Field("pattern", "text", "the motif, as in the table of motifs"),
        *PLACE,
        Field("strand", "text", "strand on which the motif reads as in the .meme and the logos"),
        Field("attribution", "float64", "sum over the span", "scale of the target"),
        Field("window_start", "int64", "first base of the window in which it was called", "bp"),
        Field("window_end", "int64", "base behind it", "bp"),
        Field("window_attribution", "float64", "all attribution of the motif's sign in the "
              "searched part of that window", "scale of the target"),
    ),
)  # fmt: skip
CLUSTERS = Product(
    "motif_clusters/clusters.tsv",
    "Motifs found for any target of any model, those that are alike joined; one row a cluster, "
    "most seqlets first.",
    (
        Field("cluster", "text", "its name"),
        Field("motif", "text", "known motif of its member with most seqlets that has a name; "
              "missing: no member has one"),
        Field("consensus", "text", "consensus of the mean over members, weighted by seqlets"),
        Field("reverse_complement", "text", "consensus of the other strand"),
        Field("n_members", "int64", "motifs in it"),
        Field("n_targets", "int64", "targets (of models) with a motif in it"),
        Field("n_seqlets", "int64", "seqlets of its members"),
    ),
)  # fmt: skip
MEMBERS = Product(
    "motif_clusters/members.tsv",
    "Which motif is in which cluster, one row a motif.",
    (
        Field("cluster", "text", "cluster that it is in"),
        Field("model", "text", "id of the model"),
        Field("target", "text", "target for which it was found"),
        Field("pattern", "text", "the motif, as in discover/<target>.tsv"),
        Field("sign", "text", "sign of its attribution"),
        Field("n_seqlets", "int64", "seqlets in it"),
        Field("motif", "text", "its known motif; missing: it has no name"),
        Field("similarity", "float64", "cosine with the cluster's member with most seqlets"),
        Field("offset_bp", "int64", "its first base, counted from that member's first one", "bp"),
        Field("strand", "text", "`-`: it is read on the other strand"),
    ),
)
CLUSTER_TARGETS = Product(
    "motif_clusters/targets.tsv",
    "What each target makes of each cluster, one row a cluster, model, target and sign with "
    "seqlets.",
    (
        Field("cluster", "text", "the cluster"),
        Field("model", "text", "id of the model"),
        Field("target", "text", "the target"),
        Field("sign", "text", "sign of the attribution"),
        Field("n_seqlets", "int64", "seqlets"),
        Field("mean_attribution", "float64", "mean over them of the attribution summed over the "
              "trimmed motif", "scale of the target"),
        Field("mean_attribution_se", "float64", "its standard error over the seqlets",
              "scale of the target"),
        Field("share", "float64", "their attribution over all of this sign in the searched "
              "windows"),
        Field("share_se", "float64", "its standard error over windows"),
        Field("expected", "float64", "seqlets if the searched windows were dealt to the model's "
              "targets at random; missing, as what follows, for a model of one target"),
        Field("z", "float64", "how many standard deviations of these deals n_seqlets is above it"),
        Field("p_value", "float64", "share of the deals with as many seqlets or more (1,999 "
              "and the found one)"),
        Field("q_value", "float64", "its q-value over the rows of the model (Benjamini-Hochberg)"),
    ),
)  # fmt: skip
PRODUCTS = (
    CLUSTERS,
    MEMBERS,
    CLUSTER_TARGETS,
    Product("motif_clusters/clusters.meme", "The clusters' mean matrices in MEME's minimal format, "
            "on the columns of the member with most seqlets."),
    Product("motif_clusters/figures/clusters.svg", "Clusters and targets: share of attribution as "
            "colours, logos of the clusters along the side."),
    FOUND,
    SEQLETS,
    INSTANCES,
    Product("<model>/discover/<target>.instances.bed", "The same as BED6: name is the motif's "
            "(pattern, and the known motif where it has a name), score the size of the "
            "attribution, 1000 for the largest."),
    Product("<model>/discover/<target>.modisco.h5", "The motifs in tf-modiscolite's layout, for "
            "its "
            "own reports and for finemo: `pos_patterns`, `neg_patterns`; in each pattern "
            "`sequence`, "
            "`contrib_scores`, `hypothetical_contribs` (positions, 4), and its `seqlets` with "
            "`example_idx` (row of export/<target>.narrowPeak), `start`, `end`, `is_revcomp`.",
            any_fields=True),
    Product("<model>/discover/<target>.meme", "The motifs, trimmed, in MEME's minimal format."),
    Product("<model>/figures/discover.<target>.svg", "Logos of the motifs."),
)  # fmt: skip
