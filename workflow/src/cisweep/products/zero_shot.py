"""Products of zero_shot."""

from cisweep.products.base import Field, Product

_WANTED = "it is one of `steps.zero_shot.scores`"
_LIKELY = "`likelihood_ratio` is one of them"
_RANKS = "`steps.zero_shot.rank_edits` is set"
SCORES = Product(
    "<model>/zero_shot.tsv",
    "How far the alternate sequence lies from the reference, one row a pair.",
    (
        Field("name", "text", "name of the pair"),
        Field("group", "text", "its group"),
        Field("length_ref_bp", "int64", "length of the reference", "bp"),
        Field("length_alt_bp", "int64", "length of the alternate", "bp"),
        Field("l2", "float64", "Euclidean distance of the embeddings", when=_WANTED),
        Field("cosine", "float64", "1 − cosine of the embeddings", when=_WANTED),
        Field("inner_product", "float64", "inner product of the embeddings", when=_WANTED),
        Field("likelihood_ratio", "float64", "log-likelihood of the reference − that of the "
              "alternate", "nats", _WANTED),
        Field("n_tokens_ref", "int64", "tokens that the likelihood of the reference is over",
              when=_LIKELY),
        Field("n_tokens_alt", "int64", "the same of the alternate", when=_LIKELY),
        Field("masked_token_ratio", "float64", "log ratio of both bases at the masked place",
              "nats", _WANTED),
        Field("edit", "text", "kind of the edit: substitution, 3-base deletion", when=_RANKS),
        Field("edit_rank", "int64", "rank of its distance among all edits of its kind, 1 is "
              "farthest", when=_RANKS),
        Field("edit_n", "int64", "number of such edits", when=_RANKS),
    ),
)  # fmt: skip
TESTS = Product(
    "<model>/zero_shot.tests.tsv",
    "Tests of groups, one row a score and pair of groups.",
    (
        Field("score", "text", "score that is compared"),
        *(Field(f"group_{x}", "text", f"name of group {x}") for x in "ab"),
        *(Field(f"n_{x}", "int64", f"pairs in group {x}") for x in "ab"),
        *(Field(f"mean_{x}", "float64", f"mean of group {x}", "of the score") for x in "ab"),
        *(Field(f"median_{x}", "float64", f"median of group {x}", "of the score") for x in "ab"),
        Field("welch_t", "float64", "statistic of Welch's t-test"),
        Field("welch_p", "float64", "its p-value, two-sided"),
        Field("rank_sum_u", "float64", "statistic of the rank-sum test (Mann-Whitney U)"),
        Field("rank_sum_p", "float64", "its p-value, two-sided"),
        Field("cohens_d", "float64", "difference of means in pooled standard deviations"),
        Field("rank_biserial", "float64", "P(a > b) − P(a < b), −1 to 1"),
        Field("n_pairs", "int64", "names that stand in both groups"),
        Field("signed_rank_w", "float64", "statistic of the signed-rank test over these"),
        Field("signed_rank_p", "float64", "its p-value, two-sided"),
        Field("sentence", "text", "the result in words"),
    ),
)
EMBEDDINGS = Product(
    "<model>/zero_shot.embeddings.parquet",
    "Embeddings, one row a sequence.",
    (
        Field("name", "text", "name of the pair"),
        Field("group", "text", "its group"),
        Field("allele", "text", "`ref` or `alt`"),
        Field("vector", "list of float32", "embedding"),
    ),
)
PRODUCTS = (
    SCORES,
    TESTS,
    EMBEDDINGS,
    Product("<model>/figures/zero_shot.groups.svg", "Box plot of the first score by group."),
    Product("<model>/figures/zero_shot.pca.svg", "First two principal components of embeddings."),
)
