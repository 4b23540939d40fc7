"""What the page says, read from the merged products; no figure is computed anew."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.outputs.h5 import open_rows, read_windows
from cisweep.outputs.tables import read_tsv


@dataclass(frozen=True)
class Region:
    """A region to show: its window, prediction, attributions and what was found in it.

    attributions: (L,) of the observed bases; one_hot-shaped logo (L, 4): the attribution of the
    observed base in its column; both in + orientation. seqlets, hits: rows inside the window.
    """

    chrom: str
    start: int
    end: int
    strand: str
    prediction: float
    attributions: np.ndarray
    logo: np.ndarray
    seqlets: pd.DataFrame
    hits: pd.DataFrame


@dataclass
class TargetContent:
    """One target of one model."""

    name: str
    scale: str
    predictions: np.ndarray | None = None
    peaks: np.ndarray = field(default_factory=lambda: np.zeros(0))
    completeness: pd.Series | None = None
    ranking: pd.DataFrame | None = None
    seqlet_motifs: pd.DataFrame | None = None
    n_seqlets: int = 0
    regions: list[Region] = field(default_factory=list)


@dataclass
class ModelContent:
    """One model: counts at each step and its targets."""

    name: str
    counts: list[tuple[str, int, str]]
    targets: list[TargetContent]


def read_model(
    folder: Path,
    name: str,
    targets: list[tuple[str, str]],
    n_regions: int,
    dropped: pd.DataFrame,
    top_regions: int,
    top_motifs: int,
) -> ModelContent:
    """Return the content of results/<run>/<model>; products that were not asked for are left out.

    targets: (name, scale); n_regions: regions before any was dropped.
    """
    mine = dropped[dropped["model"] == name]
    counts = [("regions", n_regions, "given, or tiles of the genome"),
              ("dropped", len(mine), _reasons(mine))]  # fmt: skip
    found = [TargetContent(t, scale) for t, scale in targets]
    if (folder / "predictions.h5").exists():
        with open_rows(folder / "predictions.h5") as file:
            counts.append(("predicted", file["regions/start"].shape[0], "windows"))
            for target in found:
                target.predictions = file[f"predictions/{target.name}"][:]
    if (folder / "peaks.bed").exists():
        peaks = pd.read_csv(folder / "peaks.bed", sep="\t", header=None)
        counts.append(("selected", len(peaks), "predicted peaks"))
        for target in found:
            has = peaks[3].astype(str).str.split(",").map(lambda names, t=target.name: t in names)
            target.peaks = peaks.loc[has, 4].to_numpy(float)
    seqlets = _table(folder / "seqlets.parquet")
    hits = _table(folder / "hits.parquet")
    if (folder / "attributions.h5").exists():
        summary = read_tsv(folder / "attribution_summary.tsv").set_index("target")
        with open_rows(folder / "attributions.h5") as file:
            counts.append(("attributed", file["regions/start"].shape[0], "windows"))
            for target in found:
                target.completeness = summary.loc[target.name]
                target.regions = _top_regions(file, folder, target, seqlets, hits, top_regions)
    if seqlets is not None:
        counts.append(("seqlets", len(seqlets), "all targets, both signs"))
        for target in found:
            target.seqlet_motifs, target.n_seqlets = _frequent(seqlets, target.name, top_motifs)
    if hits is not None:
        counts.append(("hits", len(hits), f"of {hits['motif'].nunique()} motifs"))
    if (folder / "motif_ranking.tsv").exists():
        ranking = read_tsv(folder / "motif_ranking.tsv")
        for target in found:
            if "target" in ranking and "rank_mean" in ranking:
                mine = ranking[(ranking["target"] == target.name) & ranking["rank_mean"].notna()]
                target.ranking = families(mine, top_motifs)
    return ModelContent(name, counts, found)


def _reasons(dropped: pd.DataFrame) -> str:
    counts = dropped["reason"].value_counts()
    return ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in counts.items()) or "none"


def _table(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.exists() else None


def families(ranking: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the best motif of each family, best family first, with the names of the others."""
    best = ranking.drop_duplicates("family").head(top).copy()
    members = ranking.groupby("family", sort=False)["name"].agg(lambda n: list(dict.fromkeys(n)))
    best["others"] = [
        [m for m in members[family] if m != name]
        for family, name in zip(best["family"], best["name"])
    ]
    return best


def _frequent(seqlets: pd.DataFrame, target: str, top: int) -> tuple[pd.DataFrame, int]:
    mine = seqlets[seqlets["target"] == target]
    grouped = mine.groupby(["motif", "motif_id", "sign"], dropna=False).agg(
        n=("start", "size"), attribution=("attribution", "mean"), q=("motif_q_value", "median")
    )
    found = grouped.reset_index().sort_values(
        ["sign", "n", "attribution"], ascending=[True, False, False], kind="stable"
    )  # "+" sorts before "-"
    return found.groupby("sign", sort=False).head(top), len(mine)


def _top_regions(file: h5py.File, folder: Path, target: TargetContent, seqlets, hits, n: int):
    windows = read_windows(file)
    strength = _strength(file, folder, target.name, windows)
    best = np.argsort(-strength, kind="stable")[:n]
    found = []
    for i in best.tolist():
        chrom, start, end = windows.chrom[i], int(windows.start[i]), int(windows.end[i])
        values, tokens = file[f"attributions/{target.name}"][i], file["tokens"][i]
        logo = np.eye(5, 4)[tokens] * values[:, None]
        mine = _inside(seqlets, chrom, start, end)
        if mine is not None:
            mine = mine[mine["target"] == target.name]
        inner = _inside(hits, chrom, start, end)
        if inner is not None and f"best_{target.name}" in inner:
            inner = inner[inner[f"best_{target.name}"]]
            inner = inner.sort_values(f"attribution_{target.name}", ascending=False, kind="stable")
        none = pd.DataFrame()
        found.append(
            Region(
                chrom,
                start,
                end,
                windows.strand[i],
                float(strength[i]),
                values,
                logo,
                none if mine is None else mine,
                none if inner is None else inner,
            )
        )
    return found


def _strength(file: h5py.File, folder: Path, target: str, windows: Windows) -> np.ndarray:
    """Return each attributed window's prediction, or its summed attribution without predictions."""
    if not (folder / "predictions.h5").exists():
        return np.array([row.sum() for row in file[f"attributions/{target}"]])
    with open_rows(folder / "predictions.h5") as predictions:
        values = predictions[f"predictions/{target}"][:]
        place = {key: i for i, key in enumerate(read_windows(predictions).keys())}
    return np.array([values[place[k]] if k in place else np.nan for k in windows.keys()])  # noqa: SIM118


def _inside(table: pd.DataFrame | None, chrom: str, start: int, end: int) -> pd.DataFrame | None:
    if table is None:
        return None
    return table[(table["chrom"] == chrom) & (table["start"] < end) & (table["end"] > start)]


def run_times(folder: Path) -> list[tuple[str, float, str]]:
    """Return (rule, summed seconds, "jobs, seconds, peak memory") from the benchmark files."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for path in sorted((folder / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(folder / "benchmarks").parts[0].removesuffix(".tsv")
        table = pd.read_csv(path, sep="\t", na_values=["NA", "-"])
        if len(table):
            last = table.iloc[-1]
            rows.setdefault(rule, []).append(
                (float(last["s"]), float(np.nan_to_num(last["max_rss"])))
            )
    found = []
    for rule, jobs in rows.items():
        seconds, memory = sum(s for s, _ in jobs), max(m for _, m in jobs)
        found.append((rule, seconds, f"{len(jobs)} × {seconds / len(jobs):.1f} s, {memory:.0f} MB"))
    return sorted(found, key=lambda row: -row[1])
