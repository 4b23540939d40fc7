"""prepare: the identity of a model, the dropped regions and what a run was made from."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from cisweep.config.model import model_sha256
from cisweep.outputs.dropped_rows import DroppedRows
from cisweep.outputs.tables import append_tsv, read_tsv, tsv_blocks, write_product
from cisweep.outputs.targets import targets_table
from cisweep.parts import read_json
from cisweep.plan.accounting import check_share, dropped_table, too_many
from cisweep.products.run import TARGETS
from cisweep.scope import ModelScope, RunScope
from cisweep.temporary import scratch_folder

_PACKAGES = ("snakemake", "torch", "numpy", "h5py", "pyBigWig")


def prepare(of: ModelScope, prepared: Path) -> str:
    """Load each fold of the model, run one window through it, and note the model's identity.

    Writes a JSON of the window, the targets, the files with their hashes and the commits of
    models of a hub. Returns the SHA-256 of the weights. Raises ModelError where a fold cannot be
    loaded or gives something else than model.yaml says.
    """
    from cisweep.models import load_model

    commits = {}
    for fold, known in enumerate(of.config.folds):
        model = load_model(of.config, fold)
        if known.hub is not None:
            commits[known.hub] = model.commit
    sha256, hashes = model_sha256(of.config, commits)
    note = {
        "model": of.model,
        "window_bp": of.config.window_bp,
        "targets": of.config.target_names,
        "files": hashes,
        "model_sha256": sha256,
        "commits": commits,
    }
    prepared.write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
    return sha256


def write_targets(of: ModelScope, table: Path) -> None:
    """Write the targets and tracks of a model, in order, and how their names stand in files."""
    write_product(targets_table(of.config, tracks=True), table, TARGETS)


def dropped_regions(
    of: RunScope, regions: Iterable[Path], others: Iterable[Path], table: Path
) -> None:
    """Join the rows of all that was dropped, as TSV.

    regions: what the chunks of the first step, and of steps with regions of their own, dropped;
    others: what is no region, as the variants without an effect. Raises RegionError if a larger
    share of regions was dropped than the run allows.
    """
    plan, parts = of.plan, list(regions)
    with scratch_folder(table) as folder, DroppedRows(plan, folder / "rows") as rows:
        for model in plan.models:
            for block in plan.dropped_blocks(model):
                rows.add(block.assign(step="plan", model=model))
        for path in parts:
            for block in tsv_blocks(path):
                rows.add(block)
        if any(too_many(plan, model, rows.n_swept[model]) for model in plan.models):
            # It says of what kind they are, and ends the run.
            check_share(plan, dropped_table(plan, [read_tsv(path) for path in parts]))
        print(f"{rows.write(table)} regions dropped")
    # Line by line: a gVCF drops more rows than fit into memory.
    print(f"{append_tsv(others, table)} other items dropped")


def provenance(of: RunScope, prepared: Iterable[Path], note: Path) -> None:
    """Write as JSON what the products of a run were made from.

    prepared: what `prepare` noted of each model.
    """
    found = {
        **{k: v for k, v in of.origin.items() if k != "model_sha256"},
        "models": {n["model"]: n for n in map(read_json, prepared)},
        "source": of.plan.source.identity,
        "config": of.plan.config.model_dump(mode="json"),
        "packages": {p: version(p) for p in _PACKAGES},
    }
    note.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
