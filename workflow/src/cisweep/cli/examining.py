"""`cisweep check` of a model alone: what its model.yaml would be, and what the model does."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cisweep.config.model import ModelConfig
from cisweep.config.target_table import shortened
from cisweep.config.yaml_files import read_yaml
from cisweep.errors import AttributionError, ConfigError
from cisweep.plan.run_config import read_model_config

WINDOWS = 32
"""Random windows that are predicted."""
EXPLAINED, REFERENCES = 2, 20
"""Random windows that DeepLIFT/SHAP explains, with so many shuffles of each."""
_MUTATED_BP = 16
_TEXTS = (".yaml", ".yml", ".json")


def is_model(path: Path) -> bool:
    """Is it a model's file or its model.yaml, whole or not, and not the config of a run?"""
    if path.suffix not in _TEXTS:
        return path.exists()
    data = read_yaml(path) if path.is_file() else None
    return isinstance(data, Mapping) and "folds" in data and not {"run", "models"} & data.keys()


def check_model(path: Path, options: Mapping[str, Any]) -> list[str]:
    """Return lines that say what a model reads, gives and takes.

    Of weights, or of a model.yaml that lacks some keys, the lines are a whole model.yaml, for the
    folder of the call or of that file; what else there is to say stands in its comments.
    options: keys of model.yaml that are given beside the file.

    Raises
    ------
    CisweepError: the model cannot be read, or gives something else than its model.yaml says.
    """
    from cisweep.models.proposal import propose

    is_text = path.suffix in _TEXTS
    data = dict(read_yaml(path)) if is_text else {"folds": [{"weights": str(path)}]}
    data |= {key: value for key, value in options.items() if value is not None}
    if is_text and options_given(options):
        raise ConfigError(
            f"{', '.join(options_given(options))} is given beside a model.yaml",
            where=str(path),
            mend="write it into the file",
        )
    if is_text and {"window_bp", "targets"} <= data.keys():
        return examine(read_model_config(path))
    proposal = propose(data, path.parent if is_text else Path())
    text = yaml.safe_dump(proposal.data, sort_keys=False, default_flow_style=None, width=100)
    said = [*proposal.notes, "", *examine(proposal.config)]
    return [*(f"# {line}".rstrip() for line in said), *text.splitlines()]


def options_given(options: Mapping[str, Any]) -> list[str]:
    """Return the keys that are given."""
    return [key for key, value in options.items() if value is not None]


def examine(config: ModelConfig) -> list[str]:
    """Return a line each: what the first fold of a model reads and gives, on which bases its
    targets depend, and how fast, how large and how exact its analyses are on this CPU.

    It is tried with random windows, since no genome is named. Raises ModelError as `load_model`.
    """
    import torch

    from cisweep.models import load_model
    from cisweep.models.loading import attempt, example
    from cisweep.models.targets import heads_of, target_module

    network = load_model(config)
    for fold in range(1, len(config.folds)):
        load_model(config, fold)
    module = target_module(network, config.targets, config.rc).eval()
    heads = heads_of(attempt(network, config, config.window_bp))
    shapes = [f"(N, {', '.join(map(str, h.shape[1:]))})" for h in heads]
    inputs = [i for i in config.inputs if i.kind in ("bigwig", "column")]
    made = "; further inputs: " + ", ".join(i.name for i in config.inputs) if config.inputs else ""
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(0, 4, (WINDOWS, config.window_bp), generator=generator)
    X = torch.nn.functional.one_hot(letters, 4).transpose(1, 2).float()
    args = [example(i, config.window_bp)[:1].repeat(WINDOWS, 1, *[1] * (i.kind != "column"))
            for i in inputs]  # fmt: skip
    lines = [
        f"reads {config.window_bp:,} bp{made}",
        f"outputs: {', '.join(shapes)}",
        f"targets: {shortened(config.target_names, 20)}",
        _field(module, X[:1], [a[:1] for a in args]),
        _predicted(module, X, args),
        _mutated(module, X[:1], [a[:1] for a in args]),
        *_explained(module, config, X[:EXPLAINED], [a[:EXPLAINED] for a in args]),
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*lines, f"memory: {peak:,.0f} MB at most, of the whole process"]


def _field(module: Any, X: Any, args: Sequence[Any]) -> str:
    """Return the line of the bases that targets depend on, by where a NaN reaches an output."""
    first, last = span_read(module, X, args)
    length = X.shape[2]
    if first >= last:
        return "receptive field: cannot be told, since no target follows a NaN in the window"
    if (first, last) == (0, length):
        return f"receptive field: all {length:,} bp of the window"
    return f"receptive field: {last - first:,} bp, bases {first:,} to {last:,} of the window"


def span_read(module: Any, X: Any, args: Sequence[Any] = ()) -> tuple[int, int]:
    """Return the span [first, last) of a window that any of a module's outputs depends on.

    X: one window (1, 4, L). A NaN at a base reaches every output that the base has a part in,
    whatever its weight, and it takes some 2 log2 L calls to find the first and the last such base.
    A module that no NaN reaches gives (L, 0).
    """
    import torch

    length = X.shape[2]

    def reaches(start: int, end: int) -> bool:
        marked = X.clone()
        marked[:, :, start:end] = torch.nan
        with torch.no_grad():
            return bool(module(marked, *args).isnan().any())

    if not reaches(0, length):
        return length, 0
    # Of the stretches from the beginning the shortest that reaches ends behind the first base.
    first = _smallest(lambda n: reaches(0, n), length) - 1
    last = length - _smallest(lambda n: reaches(length - n, length), length) + 1
    return first, last


def _smallest(holds: Callable[[int], bool], high: int) -> int:
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _timed(run: Callable[[], Any]) -> tuple[Any, float, str]:
    """Return what a call gives, the seconds of its second run, and whether fast paths hold."""
    from cisweep.engine import policy

    policy.forget_reasons()
    run()
    begin = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - begin
    off = [line.removeprefix("fast path: ") for line in policy.reasons()]
    return found, seconds, "; ".join(off) or "fast path holds"


def _predicted(module: Any, X: Any, args: Sequence[Any]) -> str:
    from cisweep.analysis import predict

    _, seconds, path = _timed(lambda: predict(module, X, args or None))
    return f"predict: {1000 * seconds / len(X):.2g} s per 1,000 windows on this CPU; {path}"


def _mutated(module: Any, X: Any, args: Sequence[Any]) -> str:
    from cisweep.analysis import saturation_mutagenesis

    start = max(0, X.shape[2] // 2 - _MUTATED_BP // 2)
    end = min(X.shape[2], start + _MUTATED_BP)
    _, seconds, path = _timed(
        lambda: saturation_mutagenesis(
            module, X, args or None, start=start, end=end, raw_outputs=True
        )
    )
    each = 1000 * seconds / (end - start) / len(X)
    return f"mutagenesis: {each:.2g} s per 1,000 mutated bases; {path}"


def _explained(module: Any, config: ModelConfig, X: Any, args: Sequence[Any]) -> list[str]:
    """Return the lines of DeepLIFT/SHAP: its seconds, and how well it adds up for each target."""
    from cisweep.analysis import deep_lift_shap

    targets = list(range(len(config.targets)))

    def run() -> Any:
        return deep_lift_shap(
            module, X, tuple(args) or None, target=targets, n_shuffles=REFERENCES, random_state=0,
            return_references=True, warning_threshold=float("inf"),
        )  # fmt: skip

    try:
        found, seconds, path = _timed(run)
    except AttributionError as error:
        return [f"DeepLIFT/SHAP: {error}"]
    worst = incompleteness(module, found, X, args)
    each = 1000 * seconds / len(X)
    return [
        f"DeepLIFT/SHAP, {REFERENCES} references: {each:.2g} s per 1,000 windows; {path}",
        f"DeepLIFT/SHAP adds up to the model's own differences within {worst:.1e} of their mean",
    ]


def incompleteness(module: Any, found: Any, X: Any, args: Sequence[Any] = ()) -> float:
    """Return max |Σ attribution − (f(x) − mean f(r))| / mean |f(x) − f(r)| of the worst target.

    found: attributions (T, N, 4, L) and references (N, n, 4, L). The differences are those of plain
    calls of the module, and not of what DeepLIFT traced.
    """
    import torch

    n = found.references.shape[1]
    with torch.no_grad():
        own = module(X, *args)
        theirs = torch.stack([module(found.references[:, k], *args) for k in range(n)], dim=1)
    differences = own[:, None] - theirs  # (N, n, T)
    sums = found.attributions.sum((2, 3)).T
    gap = (sums - differences.mean(1)).abs().amax(0)
    return float((gap / differences.abs().mean((0, 1)).clamp_min(1e-30)).max())
