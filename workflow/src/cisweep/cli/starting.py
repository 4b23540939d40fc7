"""`cisweep init`: a config for the files that are given, made of the template with its comments."""

import re
from collections.abc import Sequence
from pathlib import Path

from cisweep.cli.folder import workflow_folder
from cisweep.config.base import NAME
from cisweep.config.messages import as_line
from cisweep.errors import CisweepError, ConfigError, stop_at_faults
from cisweep.plan.run_config import read_model_config
from cisweep.steps import all_steps

STRIDE_BP = 100
"""Distance of tiles where no model says how long its windows are."""


def write_config(
    output: Path, run: str, genome: Path | None, regions: Path | None, models: Sequence[Path],
    motifs: Path | None,
) -> list[str]:  # fmt: skip
    """Write a config with comments; return what there is to say.

    What is not given stands as in the template, to be filled in; without motifs the steps that
    need them are off, and without regions the genome is tiled. Raises a CisweepError that lists
    what is wrong with the arguments; a file that is there is never written over.
    """
    given = {"--genome": genome, "--regions": regions, "--motifs": motifs}
    files = [(key, path) for key, path in given.items() if path is not None]
    stop_at_faults(
        [
            lambda: _check_output(output),
            lambda: _check_name(run),
            *(lambda k=key, p=path: _check_file(k, p) for key, path in files),
            *(lambda p=path: read_model_config(p) for path in models),
            lambda: _check_models(models),
        ]
    )
    text = (workflow_folder() / "config" / "config.yaml").read_text(encoding="utf-8")
    body = text.split("\n")
    body = [line for i, line in enumerate(body) if not (line.startswith("#") and i < _intro(body))]
    head = ["# Made by `cisweep init`. Try it with `cisweep check`, run it with `cisweep run`.",
            "# What stands behind a # is optional and shows the default, or a value to begin with.",
            "# Relative paths are relative to the folder in which cisweep is called."]  # fmt: skip
    body = _with(body, "run", run)
    if genome is not None:
        body = _with(body, "  fasta", str(genome))
    if regions is not None:
        body = _with(body, "  bed", str(regions))
    elif genome is not None:
        body = _tiled(body, models)
    if models:
        at = body.index("  my_model: models/my_model.yaml")
        body[at : at + 1] = [f"  {as_line(_name(path), str(path))}" for path in models]
    if motifs is not None:
        body = _with(body, "motifs", str(motifs))
    else:
        body = _without_motifs(body)
    output.write_text("\n".join([*head, *body]), encoding="utf-8")
    return _next(output, genome, models, motifs)


def _intro(lines: list[str]) -> int:
    return next(i for i, line in enumerate(lines) if not line.startswith("#"))


def _with(lines: list[str], key: str, value: str) -> list[str]:
    """Return the lines with another value of a key, which stands once; its comment stays."""
    (at,) = [i for i, line in enumerate(lines) if line.startswith(f"{key}: ")]
    indent = " " * (len(key) - len(key.lstrip()))
    comment = re.search(r"  # .*$", lines[at])
    written = f"{indent}{as_line(key.strip(), value)}"
    return [*lines[:at], f"{written:<28}{comment[0] if comment else ''}", *lines[at + 1 :]]


def _tiled(lines: list[str], models: Sequence[Path]) -> list[str]:
    """Return the lines with tiles in place of a BED: half a window from one to the next."""
    windows = [read_model_config(path).window_bp for path in models]
    stride = max(1, min(windows) // 2) if windows else STRIDE_BP
    found = []
    for line in lines:
        if line.startswith("  # tile: "):
            line = f"  tile: {{stride_bp: {stride}}}  # {line.split('  # ')[-1]}"
        elif line.startswith("  bed: "):
            line = line.replace("  bed: ", "  # bed: ", 1)
        found.append(line)
    return found


def _without_motifs(lines: list[str]) -> list[str]:
    """Return the lines with the motif file, and the steps that need it, behind a #."""
    wanting = {f"  {step.name}:" for step in all_steps().values() if step.needs_motifs}
    found, off = [], False
    for line in lines:
        if not line.startswith("   "):  # the name of a step, a title, a key of the run
            off = line in wanting
        if line.startswith("motifs: "):
            line = f"# {line}"
        elif off:
            line = f"  # {line.removeprefix('  ').replace('# ', '', 1)}" if line.strip() else line
        found.append(line)
    return found


def _next(
    output: Path, genome: Path | None, models: Sequence[Path], motifs: Path | None
) -> list[str]:
    lines = [f"{output} is written"]
    if genome is None:
        lines.append("  put the path of your genome under genome.fasta")
    if not models:
        lines.append("  put the path of your model.yaml under models (README, docs/models.md)")
    if motifs is None:
        lines.append("  without motifs, the steps that need them are off")
    return [*lines, f"next: cisweep check {output}, then cisweep run {output}"]


def _name(path: Path) -> str:
    """Return a name for a model: that of its file, without what a name may not have."""
    name = re.sub(r"\W", "_", path.stem, flags=re.ASCII)
    return name if re.fullmatch(NAME, name) else f"m_{name}"


def _check_output(output: Path) -> None:
    if output.exists():
        raise ConfigError(
            "there is such a file", where=str(output), mend="name another one: -o other.yaml"
        )
    if not output.absolute().parent.is_dir():
        raise ConfigError("there is no such folder", where=str(output.parent), mend="make it")


def _check_name(run: str) -> None:
    if not re.fullmatch(NAME, run):
        raise ConfigError(
            f"{run!r} cannot be the name of a run", where="--run",
            mend="take letters, digits and _, and - and . behind them",
        )  # fmt: skip


def _check_file(key: str, path: Path) -> None:
    if not path.is_file():
        raise CisweepError(f"no such file {path}", where=key, mend="correct the path")


def _check_models(models: Sequence[Path]) -> None:
    names = [_name(path) for path in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"two models would be called {twice!r}", where="--model",
            mend="give their files different names",
        )  # fmt: skip
