"""What a section may look at: its step's products, config and model, and the motif file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from cisweep.config.model import ModelConfig
from cisweep.config.targets import TargetConfig
from cisweep.contracts import FIGURE_COPIES
from cisweep.genome.motif_families import read_motif_families
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.outputs.tables import open_parquet, read_parquet, read_tsv
from cisweep.plan.contents.motifs import discovered_motifs
from cisweep.plan.plan import Plan
from cisweep.plot.letters import pwm_information
from cisweep.plot.svg import logo_svg
from cisweep.report.blocks import Figure, embedded
from cisweep.steps import Step

UNITS = {
    "logit": "logit",
    "probability": "probability",
    "log_counts": "log counts",
    "log1p_counts": "log(1 + counts)",
    "counts": "counts",
    "value": "value",
}


@dataclass(frozen=True)
class Motifs:
    """The motif file of the run, logos by id; families: TSV of what a classification calls the
    families, if there is one; run: the plan of a run, which may scan with motifs that it
    discovers."""

    path: Path | None
    families: Path | None = None
    run: Plan | None = None

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return the motifs of a run."""
        return cls(plan.config.motifs, plan.step_config("report").motif_families, plan)

    @cached_property
    def _found(self) -> dict[str, Any]:
        own = {m.name: m for m in self._formed}
        return {m.name: m for m in load_motifs(self.path)} | own if self.path else own

    @cached_property
    def _formed(self) -> list[Motif]:
        return discovered_motifs(self.run) if self.run else []

    @cached_property
    def discovered(self) -> frozenset[str]:
        """Ids of the scanned motifs that the run formed itself."""
        return frozenset(m.name for m in self._formed)

    @cached_property
    def _families(self) -> dict[str, str]:
        return read_motif_families(self.families) if self.families else {}

    def family(self, motif: str, name: str) -> str:
        """Return the family that a classification puts a motif into, by its id or else its name;
        "" if none is known."""
        return self._families.get(motif) or self._families.get(name, "")

    def logo(self, motif: str, strand: str = "+") -> Markup | str:
        """Return a motif's logo, letters as high as their information (0 to 2 bits), on "-" of its
        reverse complement; "" if the file does not have it."""
        if motif not in self._found:
            return ""
        matrix = self._found[motif].pwm
        if strand == "-":
            return matrix_logo(matrix[::-1, ::-1], f"logo of {motif}, reverse complement")
        return matrix_logo(matrix, f"logo of {motif}")


def matrix_logo(matrix: np.ndarray, title: str) -> Markup:
    """Return the logo of probabilities (4, W)."""
    letters, width = pwm_information(matrix).T, min(13 * matrix.shape[1], 260)
    return Markup(logo_svg(letters, height_px=40, width_px=width, title=title, symbols=False))


@dataclass(frozen=True)
class View:
    """One step of one model (or of the run, model None) as the page sees it.

    folder: where its products lie, results/<run>/<model> or results/<run>; all_dropped: the rows of
    dropped_regions.tsv.
    """

    plan: Plan
    step: Step
    model: str | None
    motifs: Motifs
    all_dropped: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["step", "model", "reason"])
    )

    @property
    def folder(self) -> Path:
        """The folder of the products."""
        return Path(self.plan.results) / (self.model or "")

    @property
    def dropped(self) -> pd.DataFrame:
        """The regions of the model that this step itself dropped."""
        own = self.all_dropped["step"] == self.step.name
        return self.all_dropped[own & (self.all_dropped["model"] == self.model)]

    @property
    def config(self) -> Any:
        """The step's config."""
        return self.plan.step_config(self.step.name)

    @property
    def page(self) -> Any:
        """The config of the step `report`."""
        return self.plan.step_config("report")

    @property
    def model_config(self) -> ModelConfig:
        """The model's config, with the targets that the step is about."""
        return self.plan.model_of(self.step.name, self.model)

    @property
    def targets(self) -> list[TargetConfig]:
        """The model's targets."""
        return self.model_config.targets

    @property
    def products(self) -> list[str]:
        """The step's products, relative to `folder`."""
        return self.plan.products_of(self.step.name, self.model)

    def has(self, product: str) -> bool:
        """Is there this product, of this step or another one that is on?"""
        return (self.folder / product).exists()

    def href(self, product: str) -> str:
        """Return the product's path relative to the page."""
        return f"{self.model}/{product}" if self.model else product

    def table(self, product: str) -> pd.DataFrame:
        """Return a product that is a table, TSV or Parquet."""
        path = self.folder / product
        return read_parquet(path).to_pandas() if path.suffix == ".parquet" else read_tsv(path)

    def rows_of(self, product: str, target: str) -> pd.DataFrame:
        """Return the rows of a target in a product that is a table with a column target: read once,
        whichever target is asked for."""
        path = self.folder / product
        stat = path.stat()
        found = _by_target(path, stat.st_mtime_ns, stat.st_size)
        return found.get(target, found[""])

    def figure(self, product: str, alt: str, caption: str, folded: bool = False) -> Figure:
        """Return a product that is a figure, as part of the page.

        alt: what it shows, for those who cannot see it; caption: its units and how to read it.
        """
        drawing = embedded(self.folder / product, alt, self.href(product))
        return Figure(drawing, caption, folded, self.copies(product))

    def copies(self, product: str) -> list[tuple[str, str]]:
        """Return (name, path relative to the page) of a figure, its copies and its data."""
        found = [product, *(product.removesuffix(".svg") + end for end in FIGURE_COPIES)]
        ends = {".tsv": "data (TSV)"}
        return [
            (ends.get(Path(p).suffix, Path(p).suffix[1:].upper()), self.href(p))
            for p in dict.fromkeys(found)
            if self.has(p)
        ]

    def own_copies(self, name: str) -> list[tuple[str, str]]:
        """Return (name, path relative to the page) of a drawing of a section (`Section.drawings`),
        as the page's job writes it."""
        path = f"figures/{self.model or self.step.name}.{name}"
        ends = {"SVG": ".svg", "PNG": ".png", "PDF": ".pdf", "data (TSV)": ".data.tsv"}
        return [(told, path + end) for told, end in ends.items()]

    def file_name(self, target: str) -> str:
        """Return the part of the names of files that is of a target."""
        return self.model_config.file_names[target]

    def unit(self, target: str) -> str:
        """Return the unit of a target of the model."""
        return UNITS[next((t.scale for t in self.targets if t.name == target), "logit")]


@lru_cache(maxsize=8)
def _by_target(path: Path, mtime_ns: int, size: int) -> dict[str, pd.DataFrame]:
    """Return target -> rows of a table, "" -> none of them."""
    table = read_parquet(path).to_pandas() if path.suffix == ".parquet" else read_tsv(path)
    return {"": table.iloc[:0], **dict(tuple(table.groupby("target", sort=False)))}


_REASONS = {
    "unknown_chromosome": "chromosome not in the genome",
    "excluded_chromosome": "chromosome left out",
    "off_chromosome_end": "beyond the end of the chromosome",
    "blacklisted": "in the blacklist",
    "too_many_n": "too many N",
    "duplicate": "the same window twice",
}


def counted_reasons(dropped: pd.DataFrame) -> tuple[int, str]:
    """Return how many regions were dropped, and how many for which reason."""
    counts = dropped["reason"].value_counts()
    words = {reason: _REASONS.get(reason, reason.replace("_", " ")) for reason in counts.index}
    text = ", ".join(f"{words[reason]}: {n:,}" for reason, n in counts.items())
    return len(dropped), (f"{text} (each one: dropped_regions.tsv)" if text else "none")


def largest(path: Path, by: str, n: int, split: str = "target") -> tuple[pd.DataFrame, int]:
    """Return the n rows of each `split` with the largest |by|, largest first, and the number of all
    rows, from a Parquet file that is read block by block. Ties: the row that comes first."""
    best: list[pd.DataFrame] = []
    total = 0
    for block in parquet_blocks(path):
        total += len(block)
        best = [_largest(pd.concat([*best, block], ignore_index=True), by, n, split)]
    return (best[0] if best else read_parquet(path).to_pandas()), total


def _largest(table: pd.DataFrame, by: str, n: int, split: str) -> pd.DataFrame:
    order = table[by].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    return table.loc[order].groupby(split, sort=False).head(n)


def parquet_blocks(
    path: Path, columns: list[str] | None = None, wanted: pc.Expression | None = None
) -> Iterable[pd.DataFrame]:
    """Yield the rows of a Parquet file, 65,536 at a time, or those of them that are wanted, by a
    condition on `columns`."""
    with open_parquet(path) as file:
        for batch in file.iter_batches(65536, columns=columns):
            rows = pa.Table.from_batches([batch])
            yield (rows if wanted is None else rows.filter(wanted)).to_pandas()
