"""What other steps found of the families of motifs that the hits rank: joined, family by family."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from cisweep.report.blocks import Cell, Column, number, plural, signed
from cisweep.report.view import View


@dataclass(frozen=True)
class Evidence:
    """A column of the table of motifs: its head, its cells by the rank of a family, and the ranks
    of the families that it brings into the table."""

    column: Column
    cells: dict[int, Cell]
    found: frozenset[int] = frozenset()

    def of(self, rank: int) -> Cell | str:
        """Return the cell of a family."""
        return self.cells.get(rank, "–")


def evidence(view: View, target: str) -> list[Evidence]:
    """Return a column for each step that is on and says something of a target's motifs.

    A step that tried single matrices stands for a family by the first member, in the order of the
    ranking, that it tried; its name is in the cell where it is not the family's.
    """
    if not any(view.plan.is_on(step) for step in _MAKERS):
        return []
    members = view.rows_of("motif_ranking.tsv", target)
    makers = (
        make
        for step, make in _MAKERS.items()
        if view.plan.is_on(step) and target in view.plan.model_of(step, view.model).target_names
    )
    return [make(view, target, members) for make in makers]


def _seqlets(view: View, target: str, members: pd.DataFrame) -> Evidence:
    """Return the seqlets that have the name of a member: how many, and their mean attribution."""
    family_of = dict(zip(members["motif"], members["family_rank"]))
    named = view.rows_of("seqlets.parquet", target)
    named = named[named["motif_id"].isin(family_of)]
    cells = {}
    for rank, mine in named.groupby(named["motif_id"].map(family_of))["attribution"]:
        text = f"{len(mine):,} ({signed(mine.mean())})"
        cells[int(rank)] = Cell(text, len(mine))
    meaning = f"named by a member; their mean attribution ({view.unit(target)})"
    return Evidence(Column("seqlets", True, meaning), cells, frozenset(cells))


def _discovered(view: View, target: str, members: pd.DataFrame) -> Evidence:
    """Return the discovered patterns whose closest known motif is a member."""
    family_of = dict(zip(members["motif"], members["family_rank"]))
    table = view.table(f"discover/{view.file_name(target)}.tsv")
    ranks = table["motif_id"].map(family_of)
    cells = {}
    for rank, mine in table[ranks.notna()].groupby(ranks[ranks.notna()]):
        best = mine.loc[mine["n_seqlets"].idxmax()]
        more = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
        text = (
            f"{best['pattern']}{more}, {plural(int(mine['n_seqlets'].sum()), 'seqlet')}, "
            f"p {number(best['name_p_value'], 2)}"
        )
        cells[int(rank)] = Cell(text, int(mine["n_seqlets"].sum()))
    meaning = "patterns whose closest motif by Tomtom is a member; p: random patterns as close"
    return Evidence(Column("discovered", meaning=meaning), cells, frozenset(cells))


def _put_in(view: View, target: str, members: pd.DataFrame) -> Evidence:
    table = view.table("marginalize.parquet")
    rows = table[table["target"] == target]
    meaning = f"mean change when the motif is put into background windows ({view.unit(target)})"
    column = Column("put in", True, f"{meaning}; 95 % interval")
    return Evidence(column, _effects(rows, members, "effect", _interval))


def _taken_out(view: View, target: str, members: pd.DataFrame) -> Evidence:
    table = view.table("ablate.parquet")
    rows = table[(table["target"] == target) & table["rank"].notna()]
    meaning = f"mean change without its matches, less that of random spans ({view.unit(target)})"
    column = Column("taken out", True, f"{meaning}; q")
    return Evidence(column, _effects(rows, members, "difference", _q_value))


def _effects(
    rows: pd.DataFrame, members: pd.DataFrame, value: str, tell: Callable[[pd.Series], str]
) -> dict[int, Cell]:
    """Return, by the rank of a family, the value of the first member that has a row."""
    tried = rows.set_index("motif")
    first = members[members["motif"].isin(tried.index)].groupby("family_rank", sort=False).first()
    cells = {}
    for rank, member in first.iterrows():
        row = tried.loc[member["motif"]]
        other = "" if row["name"] == member["family"] else f"{row['name'] or member['motif']}: "
        cells[int(rank)] = Cell(f"{other}{signed(row[value])} ({tell(row)})", float(row[value]))
    return cells


def _interval(row: pd.Series) -> str:
    return f"{signed(row['ci_low'])} to {signed(row['ci_high'])}"


def _q_value(row: pd.Series) -> str:
    return f"q {number(row['q_value'], 2)}"


_MAKERS: dict[str, Callable[[View, str, pd.DataFrame], Evidence]] = {
    "seqlets": _seqlets,
    "discover": _discovered,
    "marginalize": _put_in,
    "ablate": _taken_out,
}


def shown_families(families: pd.DataFrame, found: Sequence[Evidence], top: int) -> pd.DataFrame:
    """Return the first families, those that drive or lower the target, and those that any other
    step found, in the order of the ranking."""
    others = frozenset().union(*(each.found for each in found))
    keep = families["drives"].astype(bool) | families["lowers"].astype(bool)
    keep |= families["rank"].isin(others) | families["rank"].isin(families["rank"].head(top))
    return families[keep]
