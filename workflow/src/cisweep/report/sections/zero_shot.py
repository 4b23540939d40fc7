"""Zero-shot: how far a DNA language model puts two sequences apart."""

from cisweep.report.blocks import Column, Note, Section, Table, number
from cisweep.report.view import View

SHOWN = 15
_MEANINGS = {
    "l2": "Euclidean distance of the embeddings",
    "cosine": "1 − cosine of the embeddings",
    "inner_product": "inner product of the embeddings",
    "likelihood_ratio": "log-likelihood of the reference − of the alternate sequence",
    "masked_token_ratio": "log ratio of the two bases at the masked place",
}
_NOTE = (
    "The model was trained on sequences alone; nothing was fitted here. A longer edit lies farther "
    "from the reference by its size alone, so compare like with like."
)


def of_model(view: View) -> Section:
    """Return the box plot, the tests in words, and the pairs that lie farthest apart."""
    table, tests = view.table("zero_shot.tsv"), view.table("zero_shot.tests.tsv")
    score = view.config.scores[0]
    section = Section([Note(_NOTE)], counts=[("pairs", len(table), "scored by the language model")])
    sentences = [str(s) for s in tests["sentence"]] if len(tests) else []
    section.headlines += sentences[:1]
    section.blocks += [Note(s) for s in sentences]
    section.blocks.append(
        view.figure(
            "figures/zero_shot.groups.svg",
            f"Box plot of {score} by group of pairs.",
            f"{score} ({_MEANINGS[score]}) of each pair, by group: median, quartiles, points.",
        )
    )
    if len(tests):
        section.blocks.append(_tests(tests))
    section.blocks.append(_pairs(view, table, score))
    section.blocks.append(
        view.figure(
            "figures/zero_shot.pca.svg",
            "Embeddings of the sequences on their first two principal components.",
            "Embeddings of both sequences of each pair, first two principal components.",
            folded=True,
        )
    )
    return section


def _tests(tests) -> Table:
    columns = [
        Column("score"), Column("groups"), Column("n", True), Column("medians", True),
        Column("Welch p", True), Column("rank-sum p", True),
        Column("Cohen's d", True, "difference of means in standard deviations"),
        Column("rank-biserial", True, "−1 to 1"),
    ]  # fmt: skip
    rows = [
        [
            t.score, f"{t.group_a}, {t.group_b}", f"{t.n_a:,}, {t.n_b:,}",
            f"{number(t.median_a)}, {number(t.median_b)}", number(t.welch_p, 2),
            number(t.rank_sum_p, 2), number(t.cohens_d), number(t.rank_biserial),
        ]
        for t in tests.itertuples()
    ]  # fmt: skip
    return Table("Tests between the groups", columns, rows)


def _pairs(view: View, table, score: str) -> Table:
    far = table.loc[table[score].sort_values(ascending=False, kind="stable").index[:SHOWN]]
    grouped = (table["group"] != "").any()
    columns = [
        Column("pair"),
        *([Column("group")] if grouped else []),
        Column("lengths (bp)", True),
    ]
    columns += [Column(s.replace("_", " "), True, _MEANINGS[s]) for s in view.config.scores]
    ranked = "edit_rank" in table
    if ranked:
        columns.append(Column("rank among its kind", meaning="1 lies farthest"))
    rows = []
    for _, r in far.iterrows():
        row = [str(r["name"]), *([str(r["group"])] if grouped else [])]
        row += [f"{r['length_ref_bp']:,}, {r['length_alt_bp']:,}"]
        row += [number(r[s]) for s in view.config.scores]
        if ranked:
            known = r["edit_n"] > 0
            row.append(f"{r['edit_rank']:,} of {r['edit_n']:,} ({r['edit']})" if known else "–")
        rows.append(row)
    return Table(f"Pairs that lie farthest apart by {score.replace('_', ' ')}", columns, rows)


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    return (
        "Pairs of alleles were scored without training by a DNA language model "
        f"({view.model}): {', '.join(s.replace('_', ' ') for s in view.config.scores)}."
    )
