"""Peak memory and CPU of every rule that grows with a run, on chunk files of real layout.

    python -m benchmarks.scale_memory [rule ...] [--windows N] [--chunks N]
                                      [--model ctcf_pu1|profile]

prints a row for each rule (all by default), run in a process of its own: CPU is user and system
time with all imports, memory the largest resident set, and beside it the `mem_mb` that the rule
asks for. Windows lie a hundred bases apart in one sequence of random bases; attributions are noise
with one site of twelve bases in every fourth window.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.common import AllPairs

ROOT = Path(__file__).resolve().parent.parent
RESOURCES = ROOT / "workflow" / "resources"
MOTIFS = RESOURCES / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme"
STRIDE, SITE = 100, 12
NESTED_MB = 175 + 187
"""Largest resident sets of the two Snakemakes that stand around a rule's own process in a job of
Slurm: that of the job step, and the one in it that starts the script."""
PROFILE = {
    "adapter": "state_dict", "module": "BPNet", "module_args": {"n_filters": 16, "n_layers": 4},
    "window_bp": 600,
    "targets": [{"name": "counts", "head": 1, "tasks": [0], "scale": "log_counts"}],
    "tracks": [{"name": "profile", "head": 0, "tasks": [0, 1], "counts": ["counts"]}],
    "folds": [{"weights": "m.safetensors"}],
}  # fmt: skip


# ---- what the rules read -------------------------------------------------------------------------


def prepare(folder: Path, n: int, chunks: int, model: str) -> None:
    """Write genome, model and config of a run of n windows in so many chunks."""
    import pysam

    rng = np.random.default_rng(0)
    path = RESOURCES / "models" / "ctcf_pu1.yaml"
    if model == "profile":
        path = _profile_model(folder)
    length = (n - 1) * STRIDE + _width(path)
    with open(folder / "genome.fa", "w") as file:
        file.write(">chr1\n")
        for begin in range(0, length, 1 << 20):
            bases = rng.integers(0, 4, min(1 << 20, length - begin))
            file.write(np.frombuffer(b"ACGT", np.uint8)[bases].tobytes().decode())
        file.write("\n")
    pysam.faidx(str(folder / "genome.fa"))
    config = {
        "run": "scale",
        "genome": {"fasta": str(folder / "genome.fa")},
        "regions": {"tile": {"stride_bp": STRIDE}, "max_dropped": 1.0},
        "models": {"m": str(path)},
        "motifs": str(MOTIFS),
        "chunk_bp": max(-(-length // chunks), 2 * _width(path)),
        "steps": {
            "predict": {}, "select": {"fdr": None, "top_n": 100_000, "null_windows": 0},
            "attribute": {"n_references": 2, "targets": "all"}, "seqlets": {}, "report": {},
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))


def _width(model: Path) -> int:
    return int(re.search(r"window_bp: (\d+)", model.read_text())[1])


def _profile_model(folder: Path) -> Path:
    import torch
    import yaml
    from safetensors.torch import save_file

    from cisweep.models.modules.bpnet import BPNet

    torch.manual_seed(0)
    save_file(BPNet(**PROFILE["module_args"]).state_dict(), folder / "m.safetensors")
    (folder / "m.yaml").write_text(yaml.safe_dump(PROFILE))
    return folder / "m.yaml"


def plan_of(folder: Path) -> Any:
    """Return the plan of a prepared folder."""
    from cisweep.plan.plan import Plan

    return Plan.from_config(json.loads((folder / "config.json").read_text()), ROOT)


def _chunk_windows(folder: Path) -> Iterator[tuple[str, Any]]:
    plan = plan_of(folder)
    for chunk in plan.chunks("m"):
        yield chunk, plan.windows("m", chunk)[0]


def predicted(folder: Path) -> None:
    """Write the predictions of each chunk, and those of all."""
    from cisweep.outputs.predictions import PredictionWriter, merge_predictions

    config, rng, parts = plan_of(folder).models["m"], np.random.default_rng(0), []
    made = {t.name: np.ones((256, 2, 494), np.float32) for t in config.tracks}
    shapes = {name: values.shape[1:] for name, values in made.items()}
    for chunk, windows in _chunk_windows(folder):
        parts.append(folder / "predict" / f"{chunk}.h5")
        parts[-1].parent.mkdir(exist_ok=True)
        with PredictionWriter(parts[-1], windows, config.target_names, {}, shapes) as writer:
            for rows in windows.blocks(256):
                part = windows.take(rows)
                values = rng.normal(size=(len(part), len(config.target_names)))
                tracks = {name: each[: len(part)] for name, each in made.items()}
                writer.append(part, values.astype(np.float32), 0 * values, tracks)
    merge_predictions(parts, folder / "predictions.h5", {})


def attributed(folder: Path) -> None:
    """Write the attributions of each chunk and of shuffled windows, and those of all."""
    from cisweep.outputs.attributions import AttributionWriter, write_null
    from cisweep.outputs.pairs import merge_pairs

    config, parts = plan_of(folder).models["m"], []
    made = _attributions(len(config.target_names), config.window_bp)
    for name in ("attribute", "seqlets_null"):
        (folder / name).mkdir(exist_ok=True)
    given = config.window_bp, config.target_names
    for chunk, windows in _chunk_windows(folder):
        parts.append(folder / "attribute" / f"{chunk}.h5")
        with AttributionWriter(parts[-1], *given, config.window_bp, {}) as writer:
            for rows in windows.blocks(1024):
                part = windows.take(rows)
                writer.append(part, made.tokens[: len(part)], AllPairs(_first(made, len(part))))
        few = windows.take(slice(0, max(len(windows) // 10, 1)))
        null = []
        for rows in few.blocks(1024):
            part = few.take(rows)
            pairs = AllPairs(_first(made, len(part)))
            null.append((part, made.tokens[: len(part)], pairs))
        write_null(folder / "seqlets_null" / f"{chunk}.h5", null, *given, {})
    merge_pairs(parts, folder / "attributions.h5", config.target_names, {})


def _attributions(n_targets: int, width: int, n: int = 1024) -> SimpleNamespace:
    rng, shape = np.random.default_rng(1), (n_targets, n)
    tokens = rng.integers(0, 4, (n, width)).astype(np.uint8)
    hypothetical = rng.normal(0, 0.01, (*shape, 4, width)).astype(np.float32)
    for row in range(0, n, 4):
        at = rng.integers(0, width - SITE)
        hypothetical[:, row, :, at : at + SITE] += 1
    observed = np.take_along_axis(hypothetical, tokens[None, :, None].astype(np.int64), axis=2)
    sd = rng.uniform(0, 0.01, (*shape, width)).astype(np.float32)
    numbers = np.ones(shape, np.float32)
    return SimpleNamespace(
        tokens=tokens, hypothetical=hypothetical, projected=observed[:, :, 0], sd=sd,
        fold_sd=np.zeros_like(sd), deltas=0 * numbers, dy=numbers,
    )  # fmt: skip


def _first(made: SimpleNamespace, n: int) -> SimpleNamespace:
    """Return the first n windows of what was made."""
    names = ("hypothetical", "projected", "sd", "fold_sd", "deltas", "dy")
    return SimpleNamespace(**{name: getattr(made, name)[:, :n] for name in names})


def called(folder: Path) -> None:
    """Write attributions, and the seqlets of each chunk."""
    from cisweep.jobs.seqlets import Beside, SeqletInputs, seqlets_background, seqlets_chunk

    attributed(folder)
    of, parts = _scopes(folder), _parts(folder, "attribute")
    seqlets_background(of.model, parts, folder / "background.json")
    (folder / "seqlets").mkdir()
    for part, null in zip(parts, _parts(folder, "seqlets_null")):
        given = SeqletInputs(folder / "background.json", [part], null, Beside.read(of.model, []))
        out = (folder / "seqlets" / f"{part.stem}{end}" for end in (".parquet", ".json"))
        seqlets_chunk(of.chunk, given, *out)


def dropped(folder: Path) -> None:
    """Write as many dropped regions as there are windows."""
    from cisweep.genome.regions import drop_n
    from cisweep.outputs.tables import write_dropped

    (folder / "dropped").mkdir()
    for chunk, windows in _chunk_windows(folder):
        tokens = np.full((len(windows), 1), 4, np.uint8)
        gone = drop_n(windows, tokens, 0.1)[2]
        write_dropped(gone, "predict", "m", folder / "dropped" / f"{chunk}.tsv")


# ---- the rules -----------------------------------------------------------------------------------


def _scopes(folder: Path) -> SimpleNamespace:
    from cisweep.scope import ChunkScope, ModelScope, RunScope, TargetScope

    plan = plan_of(folder)
    chunk, target = plan.chunks("m")[0], plan.models["m"].target_names[0]
    return SimpleNamespace(
        run=RunScope(plan=plan), model=ModelScope(plan=plan, model="m"),
        chunk=ChunkScope(plan=plan, model="m", chunk=chunk),
        target=TargetScope(plan=plan, model="m", target=target),
    )  # fmt: skip


def _parts(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).iterdir())


def run_predict_chunk(folder: Path) -> None:
    """Predict the windows of the first chunk."""
    from cisweep.jobs.predict import predict_chunk

    predict_chunk(_scopes(folder).chunk, "cpu", folder / "p.h5", folder / "p.tsv")


def run_attribute_chunk(folder: Path) -> None:
    """Explain the windows of the first chunk."""
    from cisweep.jobs.attribute import attribute_chunk, attribute_windows_of

    of = _scopes(folder).chunk
    found = attribute_windows_of(of, None)
    print(found.digests)
    attribute_chunk(of, found, "cpu", folder / "a.h5", folder / "a.tsv")


def run_predict(folder: Path) -> None:
    """Merge predictions."""
    from cisweep.jobs.predict import predict

    predict(_parts(folder, "predict"), {}, folder / "p.h5")


def run_predict_track(folder: Path) -> None:
    """Write a track of predictions."""
    from cisweep.jobs.predict import write_prediction_track

    write_prediction_track(_scopes(folder).target, folder / "predictions.h5", "", folder / "p.bw")


def run_select_peaks(folder: Path) -> None:
    """Choose 100,000 peaks."""
    from cisweep.jobs.select import select_peaks

    out = (folder / name for name in ("peaks.bed", "peaks.tsv", "summary.tsv"))
    select_peaks(_scopes(folder).model, folder / "predictions.h5", [], *out)


def run_attribute(folder: Path) -> None:
    """Merge attributions."""
    from cisweep.jobs.attribute import attribute

    attribute(_scopes(folder).model, _parts(folder, "attribute"), folder / "a.h5", folder / "s.tsv")


def run_attribute_track(folder: Path) -> None:
    """Write a track of attributions."""
    from cisweep.jobs.attribute import write_attribution_track

    write_attribution_track(_scopes(folder).target, folder / "attributions.h5", folder / "a.bw")


def run_attribute_export(folder: Path) -> None:
    """Write ChromBPNet's layout."""
    from cisweep.jobs.attribute import export_target

    target = _scopes(folder).target.target
    out = folder / "shap.h5", folder / "shap.narrowPeak"
    export_target(folder / "attributions.h5", target, *out)


def run_seqlets_background(folder: Path) -> None:
    """Summarise the attributions of all chunks."""
    from cisweep.jobs.seqlets import seqlets_background

    of = _scopes(folder).model
    seqlets_background(of, _parts(folder, "attribute"), folder / "background.json")


def run_seqlets_chunk(folder: Path) -> None:
    """Call the seqlets of one chunk."""
    from cisweep.jobs.seqlets import Beside, SeqletInputs, seqlets_chunk

    h5, null = (_parts(folder, name)[0] for name in ("attribute", "seqlets_null"))
    beside = Beside.read(_scopes(folder).model, _parts(folder, "attribute")[1:2])
    given = SeqletInputs(folder / "background.json", [h5], null, beside)
    seqlets_chunk(_scopes(folder).chunk, given, folder / "s.parquet", folder / "s.json")


def run_seqlets_null_chunk(folder: Path) -> None:
    """Explain shuffled sequences of a tenth of the windows of the first chunk."""
    from cisweep.jobs.seqlets import seqlets_null_chunk, shuffled_of

    of, parts = _scopes(folder).chunk, _parts(folder, "attribute")[:1]
    sizes = {target: {"draws": 1, "fraction": 0.1} for target in of.config.target_names}
    (folder / "size.json").write_text(json.dumps(sizes))
    shuffled = shuffled_of(of, parts, folder / "size.json")
    seqlets_null_chunk(of, shuffled, "cpu", folder / "null.h5")


def run_seqlets(folder: Path) -> None:
    """Cut the seqlets of all chunks at a false discovery rate, and name them."""
    from cisweep.jobs.seqlets import SeqletParts, seqlets

    found = _parts(folder, "seqlets")
    tables, tallies = ([x for x in found if x.suffix == end] for end in (".parquet", ".json"))
    out = (folder / name for name in ("all.parquet", "all.bed", "summary.tsv"))
    seqlets(_scopes(folder).model, SeqletParts(tables, tallies), *out)


def run_dropped_regions(folder: Path) -> None:
    """Join the dropped regions of all chunks."""
    from cisweep.jobs.prepare import dropped_regions

    dropped_regions(_scopes(folder).run, _parts(folder, "dropped"), [], folder / "d.tsv")


# Rule -> what it reads beside genome, model and config; those of one kind stand together.
RULES: dict[str, Callable[[Path], None] | None] = {
    "predict_chunk": None,
    "attribute_chunk": None,
    "dropped_regions": dropped,
    "predict": predicted,
    "predict_track": predicted,
    "select_peaks": predicted,
    **dict.fromkeys(
        (
            "attribute",
            "attribute_track",
            "attribute_export",
            "seqlets_background",
            "seqlets_null_chunk",
            "seqlets_chunk",
            "seqlets",
        ),
        called,
    ),
}


# ---- measuring -----------------------------------------------------------------------------------


def asked_mb(rule: str) -> int | None:
    """Return the `mem_mb` of a rule's first attempt, as its file has it; None: by a function."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        if same := re.search(rf"^use rule (\w+) as {rule} with:", text, re.M):
            return asked_mb(same[1])
        # Up to the next rule; those of several targets are made in a loop.
        begin = rf"(?:rule {rule}:|for rule_name, .*\"{rule}\"\):)\n"
        if found := re.search(rf"^{begin}(?:(?: .*)?\n)*?.*mem_mb=mem_mb\((.+)\)", text, re.M):
            return int(found[1]) if found[1].isdigit() else None
    raise KeyError(rule)


_LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
"""Starts a process and tells what it took. A process of Linux has, as its least peak, the memory of
the one that started it: this one is small, whoever measures may not be."""


def measured(word: str, what: str, folder: Path, *more: str) -> tuple[float, float]:
    """Return CPU seconds and peak MB of one function of this file in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.scale_memory", word, what, str(folder), *more]
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *command],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, cpu, peak_kb = done.stdout.split()
    if int(status):
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return float(cpu), float(peak_kb) / 1024


def rows(rules: list[str], n: int, chunks: int, model: str) -> Iterator[str]:
    """Yield a row of the table for each rule."""
    with tempfile.TemporaryDirectory() as name:
        folder, made = Path(name), set()
        measured("--make", "prepare", folder, str(n), str(chunks), model)
        for rule in rules:
            source = RULES[rule]
            if source is not None and source not in made:
                measured("--make", source.__name__, folder)
                made.add(source)
            cpu, mb = measured("--rule", rule, folder)
            asked = asked_mb(rule)
            share = f"{asked:,} | {mb / asked:.0%}" if asked else "by settings |"
            yield f"| {rule} | {n:,} | {chunks} | {cpu:.1f} | {mb:.0f} | {share} |"


def main() -> None:
    """Measure what the command line names."""
    sys.modules.setdefault("benchmarks.scale_memory", sys.modules[__name__])
    if sys.argv[1:2] == ["--make"]:
        what, folder, *more = sys.argv[2:]
        given = (int(more[0]), int(more[1]), more[2]) if more else ()
        globals()[what](Path(folder), *given)
        return
    if sys.argv[1:2] == ["--rule"]:
        globals()[f"run_{sys.argv[2]}"](Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*", metavar="rule", help=", ".join(RULES))
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--chunks", type=int, default=1)
    parser.add_argument("--model", default="ctcf_pu1", choices=("ctcf_pu1", "profile"))
    given = parser.parse_args()
    print("| rule | windows | chunks | CPU s | peak MB | mem_mb | share |")
    print("|---|---|---|---|---|---|---|")
    chosen = given.rules or list(RULES)
    for line in rows(chosen, given.windows, given.chunks, given.model):
        print(line, flush=True)


if __name__ == "__main__":
    main()
