"""The plan of a run: windows, chunks and parameters, from config, .fai and BED alone.

The Snakefile makes one while it is parsed (no torch here), and each job makes one again from the
same config, so no manifest is handed around.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows, digest
from cisweep.errors import ConfigError, stop_at_faults
from cisweep.genome.fasta import Genome, NamedSequences, read_sequences
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.genome.regions import (
    DROPPED_COLUMNS,
    NO_INTERVALS,
    Placement,
    Regions,
    WindowPolicy,
    check_dropped,
    place,
    read_bed,
    read_blacklist,
    tiles,
    to_windows,
    whole_sequences,
    within,
)
from cisweep.genome.signal import check_signal, model_inputs
from cisweep.plan.accounting import n_regions_at_most
from cisweep.plan.chunks import (
    Layout,
    chunk_id,
    chunk_index,
    doubled,
    equal_runs,
    runs,
    stream_digest,
    windows_digest,
)
from cisweep.plan.fold_chroms import check_folds
from cisweep.plan.made_inputs import with_made
from cisweep.plan.model_keys import model_key
from cisweep.plan.run_config import load_config, paths_in
from cisweep.plan.surroundings import check_packages, check_writable, missing_file
from cisweep.plan.workload import chosen_chunk_bp
from cisweep.steps import all_steps
from cisweep.steps.base import Drops, Step

PLACED_ROWS = 1 << 16
"""Windows of given regions that are made at once."""


@dataclass(frozen=True)
class Plan:
    """A checked config and what follows from it; finer: the plan of which this one joins chunks."""

    config: Any
    models: dict[str, ModelConfig]
    root: Path
    finer: "Plan | None" = None

    @classmethod
    def from_config(cls, data: Mapping[str, Any], root: Path) -> "Plan":
        """Return the plan of the mapping `data`; raises ConfigError with every fault."""
        config, models = load_config(data, root)
        return cls(with_made(config), models, root)

    # ---- what is swept -------------------------------------------------------------------

    @cached_property
    def source(self) -> Genome | NamedSequences:
        """The genome, or the named sequences; none of them in a run that only trains."""
        if self.finer is not None:
            return self.finer.source
        if self.config.genome is not None:
            return Genome(self.config.genome.fasta)
        if self.config.sequences is None:
            return NamedSequences({})
        return read_sequences(self.config.sequences)[0]

    @property
    def is_genome(self) -> bool:
        """Is the source a genome (so that bigWigs make sense)?"""
        return self.config.genome is not None

    @property
    def source_files(self) -> list[str]:
        """Files that the source is read from."""
        if self.is_genome:
            fasta = self.config.genome.fasta
            index = Path(f"{fasta}.gzi")
            return [str(fasta), f"{fasta}.fai", *([str(index)] if index.exists() else [])]
        return [str(path) for path in [self.config.sequences] if path is not None]

    @cached_property
    def layout(self) -> Layout:
        """The source laid out end to end and cut into bins."""
        return Layout(self.source.lengths, self.chunk_bp)

    @cached_property
    def chunk_bp(self) -> int:
        """Bases whose regions one job handles: what the config says, or what is chosen."""
        return self.config.chunk_bp or chosen_chunk_bp(self)

    @cached_property
    def known_motifs(self) -> list[Motif]:
        """The motifs of the motif file, which the config names."""
        return load_motifs(self.config.motifs)

    @cached_property
    def _blacklist(self) -> Any:
        if self.finer is not None:
            return self.finer._blacklist
        return read_blacklist(self.config.regions.blacklist)

    def policy(self, model: str) -> WindowPolicy:
        """Return how regions become windows of this model."""
        regions = self.config.regions
        return WindowPolicy(
            self.models[model].window_bp,
            regions.edge,
            regions.chroms,
            regions.max_n,
            self._blacklist,
        )

    @cached_property
    def given(self) -> Regions | None:
        """The user's rows; None for tiles, which are made per chunk."""
        if self.finer is not None:
            return self.finer.given
        if not self.is_genome:
            return whole_sequences(self.source.lengths)
        return read_bed(self.config.regions.bed) if self.config.regions.bed else None

    def _placed(self, model: str) -> tuple[Placement, dict[str, slice]]:
        """Return which given regions get a window, and chunk -> the rows of its windows."""
        return self.once(("placed", model), partial(self._place, model))

    def _place(self, model: str) -> tuple[Placement, dict[str, slice]]:
        given = self.given
        assert given is not None  # tiles are made per chunk
        if self.finer is not None:
            found = self.finer._placed(model)[0]
        else:
            found = place(given, self.source.lengths, self.policy(model))
        blocks = (found.rows[i : i + PLACED_ROWS] for i in range(0, len(found), PLACED_ROWS))
        bins = [self.layout.bins_at(given.chrom[rows], given.centre[rows]) for rows in blocks]
        return found, runs(np.concatenate([np.zeros(0, np.int64), *bins]))

    def placed_blocks(self, model: str) -> Iterator[Windows]:
        """Yield the windows of given regions in genome order, some at once."""
        placed, _ = self._placed(model)
        for begin in range(0, len(placed), PLACED_ROWS):
            yield placed.windows(slice(begin, begin + PLACED_ROWS))

    def placed_centres(self, model: str) -> tuple[np.ndarray, np.ndarray]:
        """Return chromosome and centre (N,) of the windows of given regions, in genome order."""
        placed, _ = self._placed(model)
        return placed.regions.chrom[placed.rows], placed.centre

    def placed_chroms(self, model: str) -> list[str]:
        """Return the chromosomes on which windows of given regions lie, in genome order."""
        return pd.unique(self.placed_centres(model)[0]).tolist()

    def _tiles(self, model: str, chrom: str, low: int, high: int) -> tuple[Windows, pd.DataFrame]:
        policy, stride = self.policy(model), self.config.regions.tile.stride_bp
        length = self.source.lengths[chrom]
        made = tiles(chrom, length, policy.window_bp, stride, low, high)
        return to_windows(made, self.source.lengths, policy)

    def _tiled(self, model: str, chunk: str) -> tuple[Windows, pd.DataFrame]:
        parts = [
            self._tiles(model, name, low, high)
            for name, low, high in self._tiled_stretches(chunk_index(chunk))
        ]
        dropped = [d for _, d in parts if len(d)]
        empty = pd.DataFrame(columns=DROPPED_COLUMNS)
        return (
            Windows.concatenate([w for w, _ in parts]),
            pd.concat(dropped, ignore_index=True) if dropped else empty,
        )

    def _tiled_stretches(self, index: int) -> list[tuple[str, int, int]]:
        """Return the parts (chrom, low, high) of a bin in which the centres of tiles lie."""
        tile, found = self.config.regions.tile, self.layout.stretches(index)
        parts = [(name, tile.part(low, high)) for name, low, high in found if self.wanted(name)]
        return [(name, *part) for name, part in parts if part is not None]

    def wanted(self, chrom: str) -> bool:
        """Does the chromosome match regions.chroms?"""
        return re.fullmatch(self.config.regions.chroms, chrom) is not None

    @property
    def wanted_chroms(self) -> list[str]:
        """The chromosomes that match regions.chroms, in the order of the source."""
        return [name for name in self.source.lengths if self.wanted(name)]

    def swept_chroms(self) -> list[str]:
        """Return the chromosomes on which the run's regions lie, in genome order."""
        given = None if self.given is None else set(self.given.chrom)
        return [name for name in self.wanted_chroms if given is None or name in given]

    # ---- chunks --------------------------------------------------------------------------

    def chunks(self, model: str) -> list[str]:
        """Return the ids of the chunks that hold regions, in genome order."""
        return list(self._chunks[model])

    @cached_property
    def _chunks(self) -> dict[str, dict[str, None]]:
        """Model -> its chunks in order, as a dict, which answers `in` at once."""
        return {model: dict.fromkeys(self._find_chunks(model)) for model in self.models}

    def _find_chunks(self, model: str) -> list[str]:
        if self.given is not None:
            # Where all regions are dropped, one empty chunk gives each step its product.
            return list(self._placed(model)[1]) or [chunk_id(0)]
        if not any(self.wanted(name) for name in self.source.lengths):
            raise ConfigError(
                f"no chromosome of the genome matches {self.config.regions.chroms!r} (there are: "
                f"{', '.join(list(self.source.lengths)[:8])} …)",
                where="regions.chroms",
            )
        found = [chunk_id(i) for i in range(self.layout.n_bins) if self._tiled_stretches(i)]
        if not found:
            tile = self.config.regions.tile
            longest = max(bp for name, bp in self.source.lengths.items() if self.wanted(name))
            raise ConfigError(
                f"start {tile.start} is beyond the end of every chromosome of the run (the "
                f"longest has {longest} bp)",
                where="regions.tile",
                mend="correct regions.tile.start or regions.chroms",
            )
        return found

    def windows(self, model: str, chunk: str) -> tuple[Windows, pd.DataFrame]:
        """Return a chunk's windows (before N is looked at) and, for tiles, its dropped rows."""
        if self.given is None:
            return self._tiled(model, chunk)
        placed, parts = self._placed(model)
        return placed.windows(parts.get(chunk, slice(0))), pd.DataFrame(columns=DROPPED_COLUMNS)

    def windows_between(self, model: str, chrom: str, low: int, high: int) -> Windows:
        """Return the windows whose centre lies in [low, high) of a chromosome, in genome order."""
        if self.given is None:
            return self._tiles(model, chrom, low, high)[0]
        return self.windows_of_stretches(model, [(chrom, low, high)])

    def windows_of_stretches(self, model: str, stretches: list[tuple[str, int, int]]) -> Windows:
        """Return the windows of given regions whose centres lie in stretches (chrom, low, high)."""
        placed, _ = self._placed(model)
        parts = self.once(("chroms", model), lambda: equal_runs(self.placed_centres(model)[0]))
        found = [np.zeros(0, np.int64)]
        for chrom, low, high in stretches:
            mine = parts.get(chrom, slice(0, 0))
            begin, end = mine.start + np.searchsorted(placed.centre[mine], [low, high])
            found.append(np.arange(begin, end))
        return placed.windows(np.concatenate(found))

    def neighbours(self, model: str, chunk: str) -> list[str]:
        """Return the chunk and those directly beside it: windows reach over at most one border."""
        return self.chunks_of(model, range(chunk_index(chunk) - 1, chunk_index(chunk) + 2))

    def chunks_of(self, model: str, bins: range) -> list[str]:
        """Return the chunks that hold regions among some bins, which may lie outside the layout."""
        return [c for i in bins if (c := chunk_id(i)) in self._chunks[model]]

    def joined(self, most: int) -> "Plan":
        """Return the same plan in at most `most` bins of the wanted chromosomes, about: a power of
        two of bins make one, so that bins of one such plan hold those of another."""
        return self.once(("joined", most), partial(self._join, most))

    def _join(self, most: int) -> "Plan":
        bases = sum(self.source.lengths[c] for c in self.wanted_chroms)
        bp = doubled(self.chunk_bp, bases, most)
        larger = self.config.model_copy(update={"chunk_bp": bp})
        return self if bp == self.chunk_bp else Plan(larger, self.models, self.root, self)

    def inputs(self, model: str, windows: Windows) -> list[np.ndarray]:
        """Return what a model reads of windows beside their bases: see signal.model_inputs."""
        return model_inputs(self.models[model], windows, self.source)

    def dropped(self, model: str) -> pd.DataFrame:
        """Return the rows that were dropped before any chunk (none for tiles)."""
        if self.given is None:
            return pd.DataFrame(columns=DROPPED_COLUMNS)
        return self._placed(model)[0].dropped()

    def dropped_blocks(self, model: str) -> Iterator[pd.DataFrame]:
        """Yield the rows of `dropped`, some at once."""
        if self.given is not None:
            yield from self._placed(model)[0].dropped_blocks()

    def check_inputs(self) -> None:
        """Raise a CisweepError that lists all that is absent or unusable of what the run reads."""
        checks = [self._check_files, self._check_packages, lambda: self._blacklist]
        if self.config.motifs is not None:
            checks.append(lambda: self.known_motifs)
        checks += [self._check_signal, lambda: check_writable(Path(self.results))]
        checks += [partial(self.check_regions, model) for model in self.models]
        stop_at_faults([*checks, partial(check_folds, self)], told=self.missing_files())

    def _check_files(self) -> None:
        stop_at_faults([partial(missing_file, key, path) for key, path in self.missing_files()])

    def missing_files(self) -> list[tuple[str, Path]]:
        """Return (key, path) of the files that the config names and that are not there."""
        own = self.config.model_copy(update={"models": {}})
        found = [(key, path) for key, path in paths_in(own) if not path.is_file()]
        return found + [
            (f"models.{name}", path)
            for name, model in self.models.items()
            for path in model.files()
            if not path.exists() and not any(s.makes_weights for s in self.steps.values())
        ]

    def check_regions(self, model: str) -> None:
        """Raise a CisweepError if the plan alone drops too many of a model's regions."""
        if self.given is not None:
            where = str(self.config.regions.bed or self.config.sequences)
            limit = self.config.regions.max_dropped
            dropped = self.dropped(model)
            check_dropped(len(self.given), dropped, limit, where, self.source.lengths)
        self.chunks(model)

    def _check_signal(self) -> None:
        """Look into the bigWigs, and the columns of a table, that models read."""
        paths: list[Path] = []
        for item in (i for model in self.models.values() for i in model.inputs):
            # What a training makes is not there yet.
            paths += [p for p in item.paths if p.exists()]
            named = item.column if item.kind == "column" else None
            if named is not None and isinstance(self.source, NamedSequences):
                self.source.column(named)
        if paths:
            check_signal(paths, self.wanted_chroms, thoroughly=True)

    def _check_packages(self) -> None:
        wanted = {f"steps.{name}": s.package for name, s in self.steps.items() if s.package}
        wanted |= {f"models.{m}": c.package for m, c in self.models.items() if c.package}
        check_packages(wanted)

    # ---- what determines results ---------------------------------------------------------

    def is_on(self, step: str) -> bool:
        """Is this step part of the run?"""
        return getattr(self.config.steps, step) is not None

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The steps that are on, in the order of the run."""
        return {name: step for name, step in all_steps().items() if self.is_on(name)}

    def models_of(self, step: str) -> list[str]:
        """Return the ids of the models that a step takes."""
        declared, own = all_steps()[step], self.step_config(step)
        return [m for m, config in self.models.items() if declared.takes(own, config)]

    def model_of(self, step: str, model: str) -> ModelConfig:
        """Return a model as a step sees it: with the targets that its config asks for."""
        if not self.is_on(step):
            return self.models[model]
        make = partial(all_steps()[step].model_of, self.step_config(step), self.models[model])
        return self.once(("model_of", step, model), make)

    def steps_that_drop(self, what: Drops) -> list[str]:
        """Return the steps that are on and whose chunks tell which of such things they dropped."""
        return [n for n, step in self.steps.items() if step.drops(self.step_config(n)) == what]

    @property
    def first_map_step(self) -> str | None:
        """The first step that sweeps the regions; it accounts for those dropped for N."""
        return next(iter(self.steps_that_drop("regions")), None)

    def step_config(self, step: str) -> Any:
        """Return the config of a step that is on."""
        return getattr(self.config.steps, step)

    def settings(self, step: str, model: str | None = None) -> str:
        """Return a hash of all that determines the results of `step` but its input files.

        Not in it: chunk size, batch sizes, threads, the device, and the names of files (whose
        bytes Snakemake watches).
        """
        # Each chunk's jobs ask for it.
        name = ("settings", step, model, all_steps()[step].version)
        return self.once(name, partial(self._make_settings, step, model))

    def _make_settings(self, step: str, model: str | None) -> str:
        declared = all_steps()[step]
        config = self.step_config(step)
        parts: list[object] = [declared.name, declared.version, self.config.seed]
        parts += [] if config is None else [declared.settings(config)]
        if model is not None:
            parts.append(self.model_key(model))
        return digest(*parts)

    def once(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` gives; it is called once for a plan and a name."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @cached_property
    def _made(self) -> dict[Hashable, Any]:
        return {}

    def chunk_key(self, model: str, chunk: str) -> str:
        """Return a hash of the chunk's regions: rows for BED, bin and policy for tiles."""
        # Each chunk is asked for by its own jobs and by those of both its neighbours.
        return self.once((model, chunk), partial(self._make_chunk_key, model, chunk))

    def _make_chunk_key(self, model: str, chunk: str) -> str:
        if self.given is not None:
            windows = self.windows(model, chunk)[0]
            return digest(windows_digest(windows), self.config.regions.max_n)
        return self.tiles_key(model, self._tiled_stretches(chunk_index(chunk)))

    def tiles_key(self, model: str, stretches: list[tuple[str, int, int]]) -> str:
        """Return a hash of the tiles whose centres lie in stretches (chrom, low, high)."""
        regions, reach = self.config.regions, self.models[model].window_bp
        # A tile reaches at most a window beyond.
        near = [
            within(self._blacklist.get(name, NO_INTERVALS), low - reach, high + reach).tolist()
            for name, low, high in stretches
        ]
        policy = [regions.edge, regions.max_n, regions.chroms, near]
        return digest(stretches, regions.tile.stride_bp, policy)

    def model_key(self, model: str) -> str:
        """Return a hash of what determines a model's outputs but the bytes of its files."""
        return model_key(self.models[model], self.config.tf32 and self.config.device != "cpu")

    @cached_property
    def regions_hash(self) -> str:
        """Hash of all regions of all models and of how they become windows."""
        rows = [
            stream_digest(partial(self.placed_blocks, model)) + digest(self.dropped(model).to_csv())
            for model in self.models
            if self.given is not None
        ]
        blacklist = [(name, part.tolist()) for name, part in self._blacklist.items()]
        others = self.config.regions.model_dump(mode="json", exclude={"bed", "blacklist"})
        return digest(rows, blacklist, others)

    @cached_property
    def config_hash(self) -> str:
        """Hash of what determines the run's results, for provenance."""
        return digest(
            *(self.settings(s, m) for s in self.steps for m in self.models),
            self.config.regions.model_dump(mode="json", exclude={"bed", "blacklist"}),
        )

    @property
    def written_hash(self) -> str:
        """Hash of the whole config, as provenance.json has it."""
        return digest(self.config.model_dump(mode="json"))

    # ---- paths ---------------------------------------------------------------------------

    @property
    def results(self) -> str:
        """results/<run>"""
        return f"results/{self.config.run}"

    def products_of(self, step: str, model: str | None = None) -> list[str]:
        """Return what a step that is on leaves for a model, or (None) for the whole run.

        Paths are relative to results/<run>/<model> and results/<run>.
        """
        declared, config = all_steps()[step], self.step_config(step)
        if model is None:
            paths = declared.run_products(config)
        elif declared.takes(config, self.models[model]):
            seen = self.model_of(step, model)
            paths = declared.products(config, seen)
            n = self.once(("n_regions", model), partial(n_regions_at_most, self, model))
            left_out = declared.too_large(config, seen, n)
            paths = [path for path in paths if path not in left_out]
        else:
            paths = []
        if self.is_genome:
            return paths
        return [p for p in paths if not p.startswith("tracks/") and p not in declared.genome_only]

    def products(self) -> list[str]:
        """Return the paths of all merged products of the run."""
        return [
            "/".join(part for part in (self.results, model, path) if part)
            for step in self.steps
            for model in (None, *self.models)
            for path in self.products_of(step, model)
        ]
