"""The designs of a chunk: from windows and a config to a table, sequences and histories."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import deep_lift_shap
from cisweep.analysis.sequence_design.baselines import (
    Baseline,
    BaselineTask,
    beam,
    greedy_motifs,
    random_edits,
)
from cisweep.analysis.sequence_design.choice import Choice, Chooser, Problems
from cisweep.analysis.sequence_design.constraints import BoundConstraints, Constraints
from cisweep.analysis.sequence_design.design import design
from cisweep.analysis.sequence_design.goals import Goal, goal_objective, reached
from cisweep.analysis.sequence_design.greedy_pruning import PruningPath
from cisweep.analysis.sequence_design.motifs import motif_rules
from cisweep.analysis.sequence_design.oracle import Oracle, call_size, frozen, one_hot, tokens_of
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows, seed_of
from cisweep.errors import DesignError
from cisweep.models.ensemble import Ensemble
from cisweep.sequence.tokens import reverse_complement_tokens
from cisweep.steps.design import DesignConfig


class _Columns(nn.Module):
    """Some of the joined outputs of several models."""

    def __init__(self, models: list[nn.Module], columns: list[int]):
        super().__init__()
        self.models, self.columns = nn.ModuleList(models), columns

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat([model(X) for model in self.models], 1)[:, self.columns]


@dataclass(frozen=True)
class DesignModels:
    """The oracles and judges of a run, and where each target stands in their joined outputs."""

    oracles: list[Ensemble]
    judges: list[Ensemble]
    columns: list[tuple[str, str]]
    """(model, target) of each output, those of the oracles first."""
    n_oracle: int
    """How many outputs are the oracles'."""
    device: str

    @classmethod
    def load(
        cls, configs: Mapping[str, ModelConfig], step: DesignConfig, device: str
    ) -> "DesignModels":
        """Return the loaded models; raises ModelError."""
        names = [*step.oracles, *step.judges]
        models = [Ensemble.load(configs[name], device) for name in names]
        columns = [(name, target) for name in names for target in configs[name].target_names]
        n = len(step.oracles)
        n_oracle = sum(len(configs[name].targets) for name in step.oracles)
        return cls(models[:n], models[n:], columns, n_oracle, device)

    def groups(self, windows: Windows) -> list[np.ndarray]:
        """Return the rows of the windows for which the models are the same modules.

        Raises ModelError for a chromosome that no fold of a model holds out.
        """
        folds = {
            chrom: tuple(tuple(m.folds_of(chrom)) for m in (*self.oracles, *self.judges))
            for chrom in dict.fromkeys(windows.chrom)
        }
        found: dict[tuple, list[int]] = {}
        for i, (chrom, strand) in enumerate(zip(windows.chrom, windows.strand)):
            found.setdefault((folds[chrom], strand == "-"), []).append(i)
        return [np.array(rows) for rows in found.values()]

    def modules_of(self, window: Windows) -> tuple[list[nn.Module], list[nn.Module]]:
        """Return what the oracles and the judges are for one window."""
        chrom, minus = str(window.chrom[0]), bool(window.strand[0] == "-")
        oracles, judges = (
            [model.module_of(chrom, minus=minus) for model in kind]
            for kind in (self.oracles, self.judges)
        )
        return oracles, judges

    def goals(self, step: DesignConfig, name: str) -> list[Goal]:
        """Return the goals of one name as numbered outputs of the oracles."""
        return [
            Goal(self.columns.index((g.model, g.target)), g.kind, g.value, g.weight, g.tolerance)
            for g in step.goals[name]
        ]


@dataclass
class Designed:
    """One design, its evidence and its rivals."""

    window: int
    goal_set: str
    goals: list[Goal]
    template: np.ndarray
    full: np.ndarray
    pruned: np.ndarray
    y: dict[str, np.ndarray]
    """Predictions of all models (K,): before, full, pruned."""
    path: PruningPath
    history: dict[str, Any]
    reached: bool
    baselines: list[Baseline] = field(default_factory=list)
    attributions: np.ndarray | None = None
    """Projected attributions (3, length) before, full, pruned, of the first goal's target."""
    fault: str = ""

    def turn(self) -> None:
        """Turn everything from the model's orientation to the other strand's."""
        length, all_rows = len(self.template), np.ones(1, bool)
        for name in ("template", "full", "pruned"):
            setattr(self, name, _turned(getattr(self, name)[None], all_rows)[0])
        for each in self.baselines:
            each.tokens = _turned(each.tokens[None], all_rows)[0]
        if self.attributions is not None:
            self.attributions = self.attributions[:, ::-1].copy()
        self.path.positions = [length - 1 - p for p in self.path.positions]
        self.path.tokens = _turned(self.path.tokens[None], all_rows)[0]
        if self.history:
            self.history["edits"] = [
                (sample, 3 - base, length - 1 - at) for sample, base, at in self.history["edits"]
            ]


@dataclass(frozen=True)
class Templates:
    """The windows to design, in + orientation."""

    windows: Windows
    tokens: np.ndarray
    """uint8 (n, length), 4 = N = to be filled in."""
    frozen: np.ndarray
    """True = the base stays, bool (n, length)."""
    priors: np.ndarray | None = None
    """Added to the logits in which bases are drawn, float32 (n, 4, length)."""

    def turned(self) -> "Templates":
        """Return the windows in the model's orientation: those of strand - reverse-complemented."""
        minus = self.windows.strand == "-"
        held, priors = self.frozen.copy(), None
        held[minus] = held[minus, ::-1]
        if self.priors is not None:
            priors = self.priors.copy()
            priors[minus] = priors[minus, ::-1, ::-1]
        return Templates(self.windows, _turned(self.tokens, minus), held, priors)


def design_chunk(
    models: DesignModels,
    templates: Templates,
    step: DesignConfig,
    run_seed: int,
    motifs: Mapping[str, np.ndarray] | None = None,
) -> list[Designed]:
    """Return the designs of all windows for all their goals, in the order of the windows.

    Parameters: `motifs` name → (4, width) for the motif baseline.
    A window for which no allowed sequence exists has a row with a fault.
    """
    rules = _constraints(step)
    windows, given = templates.windows, templates.turned()
    found: list[Designed] = []
    for name in step.goals:
        goals = models.goals(step, name)
        chosen = [
            i for i in range(len(windows))
            if name in step.goals_of(str(windows.name[i]))
        ]  # fmt: skip
        bound, faults = _bind(rules, given, chosen)
        found += [_impossible(i, name, goals, given.tokens[i], faults[i], models) for i in faults]
        for group in models.groups(windows):
            modules, mine = models.modules_of(windows.take(group[:1])), set(group.tolist())
            possible = [i for i in chosen if i not in faults and i in mine]
            for part in range(0, len(possible), step.regions_per_batch):
                rows = possible[part : part + step.regions_per_batch]
                batch = _Batch(
                    models, *modules, step, name, goals, rows, given,
                    [bound[i] for i in rows], run_seed,
                )  # fmt: skip
                found += batch.run(motifs)
    for each in found:
        if windows.strand[each.window] == "-":
            each.turn()
    return sorted(found, key=lambda d: (d.window, list(step.goals).index(d.goal_set)))


def _turned(tokens: np.ndarray, rows: np.ndarray) -> np.ndarray:
    tokens = np.array(tokens)
    if rows.any():
        tokens[rows] = reverse_complement_tokens(np.ascontiguousarray(tokens[rows]))
    return tokens


def _constraints(step: DesignConfig) -> Constraints | None:
    rules = Constraints(
        step.max_edits,
        step.min_distance_bp,
        step.gc_range,
        *(
            () if path is None else motif_rules(path, step.motif_threshold)
            for path in (step.forbidden_motifs, step.required_motifs)
        ),
    )
    return None if rules == Constraints() else rules


def _bind(
    rules: Constraints | None, given: Templates, rows: list[int]
) -> tuple[dict[int, BoundConstraints | None], dict[int, str]]:
    bound: dict[int, BoundConstraints | None] = {}
    faults: dict[int, str] = {}
    for i in rows:
        banned = None if given.priors is None else np.isneginf(given.priors[i])
        own = Constraints() if rules is None and banned is not None and banned.any() else rules
        try:
            bound[i] = None if own is None else own.bind(given.tokens[i], given.frozen[i], banned)
        except DesignError as error:
            faults[i] = error.what
    return bound, faults


def _impossible(
    row: int, name: str, goals: list[Goal], template: np.ndarray, fault: str, models: DesignModels
) -> Designed:
    nothing = np.full(len(models.columns), np.nan, np.float32)
    path = PruningPath([], nothing[None, [g.output for g in goals]], np.zeros(1), 0, template)
    y = {"before": nothing, "full": nothing, "pruned": nothing}
    return Designed(row, name, goals, template, template, template, y, path, {}, False, fault=fault)


@dataclass
class _Batch:
    """The windows that are designed together for one set of goals."""

    models: DesignModels
    oracles: list[nn.Module]
    """What the models are for these windows: the folds that read them."""
    judges: list[nn.Module]
    step: DesignConfig
    name: str
    goals: list[Goal]
    rows: list[int]
    given: Templates
    bound: list[BoundConstraints | None]
    run_seed: int

    def run(self, motifs: Mapping[str, np.ndarray] | None) -> list[Designed]:
        """Return the designs with all their evidence."""
        templates, priors = self.given.tokens[self.rows], self.given.priors
        like = torch.empty(0, device=self.models.device)
        X = one_hot(templates, like)
        keys = [f"{self.given.windows.keys()[i]}|{self.name}" for i in self.rows]
        seeds = [seed_of(self.run_seed, "design", key) >> 2 for key in keys]
        step = self.step
        samples, histories = design(
            self.oracles, X, [self.goals] * len(self.rows), step.n_repeats,
            random_state=seeds, return_history=True, tau=step.tau, l=step.l, lr=step.lr,
            batch_size=step.samples, max_iter=step.max_iter,
            early_stopping_iter=step.early_stopping_iter, constraints=self.bound,
            input_mask=torch.from_numpy(self.given.frozen[self.rows]),
            initial_weights=None if priors is None else torch.from_numpy(priors[self.rows]),
            regions_per_batch=step.regions_per_batch, device=self.models.device,
        )  # fmt: skip
        n, length = templates.shape
        samples = tokens_of(samples.reshape(-1, 4, length)).reshape(
            step.n_repeats, n, step.samples, length
        )
        histories = _by_repeat(histories, step.n_repeats, n)
        every = [*self.oracles, *self.judges]
        with frozen(every, like.device):
            oracle = Oracle(every, None, like, call_size(like, length))
            before = oracle.predict(templates).numpy(force=True)
            # Judges and outputs without a goal have no say in which edits go.
            wanted = [g.output for g in self.goals]
            chooser = Chooser(
                Oracle(_Columns(self.oracles, wanted), None, like, oracle.windows_per_call),
                self.goals, step.l, step.prune, step.prune_threshold, step.swaps,
            )  # fmt: skip
            problems = Problems(
                templates, before[:, wanted], self.given.frozen[self.rows], self.bound
            )
            choices = chooser.choose(problems, samples)
            return [
                self._finish(k, oracle, before[k], choice, histories[choice.repeat][k], seeds[k],
                             motifs)
                for k, choice in enumerate(choices)
            ]  # fmt: skip

    def _finish(
        self, k: int, oracle: Oracle, before: np.ndarray, choice: Choice, history: dict, seed: int,
        motifs: Mapping[str, np.ndarray] | None,
    ) -> Designed:  # fmt: skip
        template = self.given.tokens[self.rows[k]]
        y = oracle.predict(np.stack([choice.full, choice.pruned])).numpy(force=True)
        hit = all(reached(g, before[g.output], y[1, g.output]) for g in self.goals)
        found = Designed(
            self.rows[k], self.name, self.goals, template, choice.full, choice.pruned,
            {"before": before, "full": y[0], "pruned": y[1]}, choice.path, history, hit,
        )  # fmt: skip
        found.baselines = self._baselines(k, oracle, found, seed, motifs)
        if self.step.n_references:
            found.attributions = self._attributions(found, seed, oracle.like)
        return found

    def _baselines(
        self, k: int, oracle: Oracle, found: Designed, seed: int,
        motifs: Mapping[str, np.ndarray] | None,
    ) -> list[Baseline]:  # fmt: skip
        K = len(self.models.columns)
        objective = goal_objective(self.goals, torch.from_numpy(found.y["before"]))
        assert len(objective.y_bar) == K
        bound = self.bound[k]
        task = BaselineTask(oracle, found.template, objective, self.given.frozen[self.rows[k]],
                            None if bound is None else bound.holds)  # fmt: skip
        n_edits = int(task.n_edits(found.pruned))
        out = []
        for kind in self.step.baselines:
            try:
                if kind == "greedy_motif" and motifs:
                    out.append(greedy_motifs(task, dict(motifs), max_edits=n_edits))
                elif kind == "beam":
                    out.append(beam(task, n_edits=n_edits))
                elif kind == "random":
                    out.append(random_edits(task, n_edits=n_edits, seed=seed))
            except DesignError:
                continue  # constraints too tight for it; the table then has no such row
        return out

    def _attributions(self, found: Designed, seed: int, like: torch.Tensor) -> np.ndarray:
        """Return projected attributions (3, length) of the first goal's target."""
        model, target = self.models.columns[found.goals[0].output]
        names = [m for m, _ in self.models.columns[: self.models.n_oracle]]
        member = self.oracles[list(dict.fromkeys(names)).index(model)]
        own = [c for c in self.models.columns if c[0] == model].index((model, target))
        X = one_hot(np.stack([found.template, found.full, found.pruned]), like)
        values = deep_lift_shap(
            member, X, target=own, n_shuffles=self.step.n_references, only_warn=True,
            device=self.models.device, random_state=seed % 2**31,
        )  # fmt: skip
        return values.sum(1).numpy(force=True).astype(np.float32)


def _by_repeat(histories: Any, n_repeats: int, n: int) -> list[list[dict]]:
    """Return histories as [repeat][region]; `design` leaves out axes of one."""
    if n == 1:
        histories = [[h] for h in histories] if n_repeats > 1 else [histories]
    return histories if n_repeats > 1 else [histories]
