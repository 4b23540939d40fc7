"""After one edit of any input, one run gives what a fresh run gives; no job reruns in vain."""

import os
import re
import shutil
import sys
import types
import typing
from pathlib import Path

import pyBigWig
import pytest
import yaml
from pydantic import BaseModel
from safetensors.numpy import load_file, save_file

from cisweep.config.model import ModelConfig
from cisweep.plan.run_config import run_model

sys.path.insert(0, str(Path(__file__).parent))
from support import assert_same, config, jobs_run

pytestmark = pytest.mark.slow

OFF = {"select": None, "attribute": None, "seqlets": None, "hits": None, "report": None}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, small_genome, resources) -> Path:
    """A folder with every input of the runs of this file, to be edited."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("genome.fa", "genome.fa.fai", "motifs.meme"):
        shutil.copy2(small_genome.parent / name, folder)
    for name in ("ctcf_pu1.yaml", "ctcf_pu1.safetensors"):
        shutil.copy2(resources / "models" / name, folder)
    model = yaml.safe_load((folder / "ctcf_pu1.yaml").read_text())
    model["targets"] = {"table": "targets.tsv", "scale": "logit"}
    (folder / "ctcf_pu1.yaml").write_text(yaml.safe_dump(model))
    beds = {
        "targets.tsv": "name\tindex\tgroup\nctcf\t0\tany\npu1\t1\tany\n",
        "blacklist.bed": "chrA\t500\t600\n",
        "ism.bed": "chrA\t2000\t2200\nchrB\t5000\t5200\n",
        "design.bed": "chrA\t2000\t2200\tone\nchrB\t5000\t5200\ttwo\n",
        "frozen.bed": "chrA\t2090\t2095\n",
        "composition.bed": "".join(f"chrA\t{s}\t{s + 200}\n" for s in range(3000, 9000, 300)),
        "priors.tsv": "chrB\t5100\t5105\tA\t0.5\n",
        "families.tsv": "motif\tfamily\nM1\tEts-related\n",
        "genes.gtf": 'chrA\tx\texon\t5001\t5100\t.\t+\t.\tgene_id "g"; transcript_id "t";\n',
        "goals.tsv": (
            "region\tmodel\ttarget\tkind\tvalue\tgoal\n"
            "one\tm\tctcf\tchange\t2\tup\ntwo\tm\tctcf\tchange\t2\tup\n"
        ),
    }
    for name, text in beds.items():
        (folder / name).write_text(text)
    motifs = (folder / "motifs.meme").read_text().split("MOTIF ")
    for name, motif in zip(("forbidden.meme", "required.meme"), motifs[1:]):
        (folder / name).write_text(f"{motifs[0]}MOTIF {motif}")
    sequence = "".join((folder / "genome.fa").read_text().split(">chrB")[0].splitlines()[1:])
    base = sequence[4999].upper()
    other = "A" if base != "A" else "C"
    (folder / "v.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chrA\t5000\t.\t{base}\t{other}\t.\t.\t.\n"
    )
    write_signal(folder / "signal.bw", 1.0)
    return folder


def write_signal(path: Path, value: float) -> None:
    with pyBigWig.open(str(path), "w") as out:
        out.addHeader([("chrA", 30000), ("chrB", 12000)])
        starts = list(range(0, 29000, 100))
        values = [value + (s % 700) for s in starts]
        out.addEntries(
            ["chrA"] * len(starts), starts, ends=[s + 100 for s in starts], values=values
        )


def overlay(inputs: Path, steps: dict) -> dict:
    return config(inputs / "genome.fa", chunk_bp=22_000) | {
        "regions": {
            "tile": {"stride_bp": 100},
            "blacklist": [str(inputs / "blacklist.bed")],
            "chroms": "chr[A-Z]{1,2}",
        },
        "models": {"m": str(inputs / "ctcf_pu1.yaml")},
        "motifs": str(inputs / "motifs.meme"),
        "steps": OFF | steps,
    }


def scale_weights(path: Path) -> None:
    save_file({k: v * v.dtype.type(1.05) for k, v in load_file(path).items()}, path)


def test_new_weights_give_new_products_in_one_run(tmp_path, inputs, snakemake):
    steps = {
        "predict": {"batch_size": 64},
        "select": {"fdr": None, "top_n": 6},
        "attribute": {"n_references": 2, "batch_size": 8},
        "hits": {"null_copies": 2},
    }
    own = tmp_path / "inputs"
    shutil.copytree(inputs, own)
    folder = tmp_path / "run"
    snakemake(overlay(own, steps), folder)
    scale_weights(own / "ctcf_pu1.safetensors")
    again = jobs_run(snakemake(overlay(own, steps), folder).stderr)
    assert again["prepare"] == 1 and again["predict_chunk"] == again["attribute_chunk"] == 2
    snakemake(overlay(own, steps), tmp_path / "fresh")
    assert_same(folder, tmp_path / "fresh")
    note = "results/small/provenance.json"
    assert (folder / note).read_bytes() == (tmp_path / "fresh" / note).read_bytes()
    # A comment in model.yaml determines nothing.
    with open(own / "ctcf_pu1.yaml", "a") as handle:
        handle.write("# seen\n")
    done = snakemake(overlay(own, steps), folder)
    assert "Nothing to be done" in done.stderr
    (folder / "results/small/m/chunks/predict/c000001.h5").write_bytes(b"damaged")
    (folder / "results/small/m/predictions.h5").unlink()
    done = snakemake(overlay(own, steps), folder)
    assert "its bytes are not those that were written" in done.stderr
    assert_same(folder, tmp_path / "fresh")


# ---- every file that a config can name --------------------------------------------------------

WIDE = {
    "predict": {"batch_size": 64},
    "ism": {"span_bp": 10},
    "variants": {"n_nulls": 2},
    "design": {"max_iter": 2, "samples": 2, "n_references": 1, "l": 1.0},
}


def wide(inputs: Path) -> dict:
    def of(name: str) -> str:
        return str(inputs / name)

    signal = {"signal": {"ctcf": {"paths": [of("signal.bw")]}}}
    design = {
        "regions": of("design.bed"), "goals_table": of("goals.tsv"), "frozen": of("frozen.bed"),
        "priors": of("priors.tsv"), "composition": of("composition.bed"),
        "forbidden_motifs": of("forbidden.meme"), "required_motifs": of("required.meme"),
    }  # fmt: skip
    return overlay(inputs, {
        "predict": WIDE["predict"] | signal,
        "ism": WIDE["ism"] | {"bed": of("ism.bed")},
        "variants": WIDE["variants"] | {"path": of("v.vcf")},
        "design": WIDE["design"] | design,
        "report": {"genes": of("genes.gtf"), "motif_families": of("families.tsv")},
    })  # fmt: skip


def append(text: str):
    def edit(path: Path) -> None:
        with open(path, "a") as handle:
            handle.write(text)

    return edit


def replace(old: str, new: str):
    def edit(path: Path) -> None:
        text = path.read_text()
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new, 1))

    return edit


def one_base(path: Path) -> None:
    """Change one base of the FASTA, so that its index stays right."""
    lines = path.read_text().splitlines()
    lines[20] = ("A" if lines[20][0] in "cC" else "C") + lines[20][1:]
    path.write_text("\n".join(lines) + "\n")


def other_probability(path: Path) -> None:
    rows = path.read_text().splitlines()
    i = next(k for k, line in enumerate(rows) if re.match(r"\s*[01]\.\d", line))
    rows[i] = " 0.25 0.25 0.25 0.25"
    path.write_text("\n".join(rows) + "\n")


ALL_CHUNKS = {"predict_chunk": 2, "variants_chunk": 2, "ism_chunk": 2, "design_chunk": 2}
DESIGNS = {"design_chunk": 2}
EDITS = {
    "genome.fasta": ("genome.fa", one_base, ALL_CHUNKS),
    "models": ("ctcf_pu1.yaml", replace("average: true", "average: false"), ALL_CHUNKS),
    "models.targets.table": ("targets.tsv", replace("pu1\t1", "pu1\t0"), ALL_CHUNKS),
    "models.folds.weights": ("ctcf_pu1.safetensors", scale_weights, ALL_CHUNKS),
    "regions.blacklist": ("blacklist.bed", append("chrB\t9000\t9100\n"), {"predict_chunk": 1}),
    "motifs": ("motifs.meme", other_probability, DESIGNS),
    "steps.predict.signal.paths": ("signal.bw", lambda p: write_signal(p, 2.0), {}),
    "steps.report.motif_families": ("families.tsv", replace("Ets", "ETS"), {}),
    "steps.report.genes": ("genes.gtf", replace("5100", "5200"), {}),
    "steps.ism.bed": ("ism.bed", replace("5000", "5003"), {"ism_chunk": 1}),
    "steps.variants.path": (
        "v.vcf", replace("chrA\t5000\t.", "chrA\t5000\tid"), {"variants_chunk": 2}
    ),
    "steps.design.regions": ("design.bed", replace("5200\ttwo", "5210\ttwo"), {"design_chunk": 1}),
    "steps.design.goals_table": (
        "goals.tsv", replace("two\tm\tctcf\tchange\t2", "two\tm\tctcf\tchange\t3"),
        {"design_chunk": 1},
    ),
    "steps.design.frozen": ("frozen.bed", replace("2095", "2096"), DESIGNS),
    "steps.design.priors": ("priors.tsv", replace("0.5", "0.6"), DESIGNS),
    "steps.design.composition": ("composition.bed", append("chrA\t10000\t10200\n"), DESIGNS),
    "steps.design.forbidden_motifs": ("forbidden.meme", other_probability, DESIGNS),
    "steps.design.required_motifs": ("required.meme", other_probability, DESIGNS),
}  # fmt: skip
"""Key of the config: the file, how it is edited, the jobs on chunks that run again."""

ELSEWHERE = {
    "regions.bed": "tests/workflow/test_incremental.py",
    "sequences": "an input of every chunk, as genome.fasta is",
    "models.folds.extra_weights": "tests/unit/test_origin.py: the files that are watched",
    "models.inputs.paths": "tests/unit/test_origin.py: the files that are watched",
    "steps.zero_shot.pairs.ref": "needs a language model: tests/oracle/test_language_model.py",
    "steps.zero_shot.pairs.alt": "needs a language model: tests/oracle/test_language_model.py",
}


def path_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted keys of a config model that hold paths, wherever they are nested."""
    found = set()
    for name, field in model.model_fields.items():
        for kind in kinds_in(field.annotation):
            if kind is Path:
                found.add(prefix + name)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= path_keys(kind, f"{prefix}{name}.")
    return found


def kinds_in(annotation) -> list:
    parts = typing.get_args(annotation)
    if not parts or isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation]
    return [kind for part in parts for kind in kinds_in(part)]


def test_every_file_of_the_config_is_edited_here_or_elsewhere():
    keys = path_keys(run_model()) | {f"models.{key}" for key in path_keys(ModelConfig)}
    told = {k for k in keys if not k.startswith("steps.train.")}  # test_train_step.py
    assert told == EDITS.keys() | ELSEWHERE.keys()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, inputs, snakemake) -> Path:
    folder = tmp_path_factory.mktemp("wide") / "run"
    snakemake(wide(inputs), folder)
    assert "Nothing to be done" in snakemake(wide(inputs), folder, "-n").stdout
    return folder


@pytest.mark.parametrize("key", EDITS)
def test_an_edit_reruns_what_it_touches(inputs, finished, snakemake, key):
    name, edit, expected = EDITS[key]
    path = inputs / name
    before, stat = path.read_bytes(), path.stat()
    try:
        edit(path)
        assert path.read_bytes() != before
        done = snakemake(wide(inputs), finished, "-n")
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = jobs_run(done.stdout + done.stderr)
    assert {rule: n for rule, n in again.items() if rule in ALL_CHUNKS} == expected
    assert again.get("prepare", 0) == (key.startswith("models"))
    if key == "steps.predict.signal.paths":
        assert again["predict_metrics"] == 1
    if key in ("steps.report.genes", "steps.report.motif_families"):
        assert again["report_page"] == 1


def test_an_edited_script_runs_again(tmp_path, inputs, snakemake, root):
    """Snakemake's own trigger; what the package gives is told by the versions of the steps."""
    mine = tmp_path / "workflow of one's own"
    for name in ("workflow/rules", "workflow/report", "scripts", "config", "envs"):
        shutil.copytree(root / name, mine / name)
    shutil.copy(root / "Snakefile", mine)
    settings, made = overlay(inputs, {"predict": {}}), "results/small/m/prepare/prepared.json"
    command = (tmp_path / "run", made, "-s", str(mine / "Snakefile"))
    snakemake(settings, *command)
    assert "Nothing to be done" in snakemake(settings, *command, "-n").stdout
    with open(mine / "scripts/prepare.py", "a") as handle:
        handle.write("print('seen')\n")
    assert jobs_run(snakemake(settings, *command, "-n").stdout) == {"prepare": 1}
