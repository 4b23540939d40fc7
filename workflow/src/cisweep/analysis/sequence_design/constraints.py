"""Hard constraints of a design: every sample that the oracle sees or that is returned fulfils them.

A sample is a draw of perturbed logits; the constrained sample is the best one, by the sum of its
perturbed logits, that a greedy search finds among those allowed. So the gradient goes on to favour
what is likely and allowed. What cannot be mended falls back to a window known to be allowed.
"""

from dataclasses import dataclass

import numpy as np

from cisweep.analysis.sequence_design.motifs import NEVER, MotifRule
from cisweep.errors import DesignError

ROUNDS = 64
"""Mends of one window before the search gives up."""


@dataclass(frozen=True)
class Constraints:
    """What all samples of a design must fulfil; frozen positions and priors are `design`'s own.

    An edit is a known base that was changed; filling in an N is none.
    """

    max_edits: int | None = None
    """Largest number of edits of a sample."""
    min_distance_bp: int = 1
    """Smallest distance between two edits; 1 allows neighbours."""
    gc_range: tuple[float, float] | None = None
    """Smallest and largest share of G and C among the known bases of the window."""
    forbidden: tuple[MotifRule, ...] = ()
    """Motifs without any hit (`motif_rules`)."""
    required: tuple[MotifRule, ...] = ()
    """Motifs with at least one hit each."""

    def __post_init__(self) -> None:
        if self.max_edits is not None and self.max_edits < 0:
            raise DesignError(f"max_edits must not be negative, not {self.max_edits}")
        if self.min_distance_bp < 1:
            raise DesignError(f"min_distance_bp must be at least 1, not {self.min_distance_bp}")
        if self.gc_range is not None and not 0 <= self.gc_range[0] <= self.gc_range[1] <= 1:
            raise DesignError(
                f"gc_range {self.gc_range} is not a range", mend="give 0 <= low <= high <= 1"
            )
        both = {r.name for r in self.forbidden} & {r.name for r in self.required}
        if both:
            raise DesignError(f"motif {min(both)} is both forbidden and required")

    def bind(
        self, template: np.ndarray, frozen: np.ndarray, banned: np.ndarray | None, where: str = ""
    ) -> "BoundConstraints":
        """Return the constraints of one window, with a window known to fulfil them.

        Parameters: `template` uint8 (length,), 4 = N; `frozen` bool (length,); `banned` bool
        (4, length), bases that priors rule out; `where` names the region in errors.
        Raises DesignError when no window that fulfils the constraints is found.
        """
        allowed = np.ones((4, len(template)), bool) if banned is None else ~banned
        allowed = np.where(frozen, np.arange(4)[:, None] == template, allowed)
        bound = BoundConstraints(self, template, frozen, allowed)
        bound.find_base(where or None)
        return bound


class BoundConstraints:
    """Constraints of one window: tests samples, and mends those that break them."""

    def __init__(
        self, rules: Constraints, template: np.ndarray, frozen: np.ndarray, allowed: np.ndarray
    ):
        self.rules, self.template, self.frozen, self.allowed = rules, template, frozen, allowed
        self.known = template != 4
        self.base: np.ndarray | None = None
        index = np.where(self.known, template, 0)
        # A base that a prior rules out must be edited in every sample.
        self.compulsory = self.known & ~frozen & ~allowed[index, np.arange(len(template))]
        self.local = not (rules.gc_range or rules.forbidden or rules.required)

    def find_base(self, where: str | None) -> None:
        """Set the window to fall back to; prefer the template's bases, then A C G T.

        Raises DesignError, naming what stays broken.
        """
        scores = np.zeros((4, len(self.template)))
        scores[self.template[self.known], self.known] = 1.0
        start = self._start(scores)
        mended = self._mend(start, scores)
        if mended is None:
            broken = self.broken(start) or ["all of them together"]
            raise DesignError(
                f"no window was found that fulfils the constraints: {'; '.join(broken)}",
                where=where,
                mend="loosen a constraint or unfreeze positions",
            )
        self.base = mended

    def holds(self, samples: np.ndarray) -> np.ndarray:
        """Return bool (n,), whether each sample (n, length) fulfils every constraint."""
        return self._bases_hold(samples) & self._edits_hold(samples) & self._contents_hold(samples)

    def broken(self, sample: np.ndarray) -> list[str]:
        """Return in words which constraints one sample (length,) breaks."""
        S, rules, out = sample[None], self.rules, []
        if not self._bases_hold(S)[0]:
            out.append("a frozen position, a prior or an N left")
        if not self._edits_hold(S)[0]:
            out.append(
                f"at most {rules.max_edits} edits, {rules.min_distance_bp} bp apart "
                f"({int(self._edits(S).sum())} made)"
            )
        if not self._gc_holds(S)[0]:
            out.append(f"GC in {rules.gc_range}")
        out += [f"motif {r.name} forbidden" for r in rules.forbidden if r.hits(S).any()]
        return out + [f"motif {r.name} required" for r in rules.required if not r.hits(S).any()]

    def _edits(self, samples: np.ndarray) -> np.ndarray:
        return (samples != self.template) & self.known

    def _bases_hold(self, samples: np.ndarray) -> np.ndarray:
        index = np.minimum(samples, 3)
        fine = self.allowed[index, np.arange(len(self.template))] & (samples != 4)
        return np.where(self.frozen, samples == self.template, fine).all(1)

    def _edits_hold(self, samples: np.ndarray) -> np.ndarray:
        edits, rules = self._edits(samples), self.rules
        fine = np.ones(len(samples), bool)
        if rules.max_edits is not None:
            fine &= edits.sum(1) <= rules.max_edits
        if rules.min_distance_bp > 1:
            # Two edits nearer than d share a window of d positions.
            count = np.cumsum(np.pad(edits, ((0, 0), (1, 0))), 1)
            d = min(rules.min_distance_bp, edits.shape[1])
            fine &= (count[:, d:] - count[:, :-d] <= 1).all(1)
        return fine

    def _gc_holds(self, samples: np.ndarray) -> np.ndarray:
        if self.rules.gc_range is None:
            return np.ones(len(samples), bool)
        gc = ((samples == 1) | (samples == 2)).sum(1)
        n = np.maximum((samples != 4).sum(1), 1)
        low, high = self.rules.gc_range
        return (gc >= low * n - 1e-9) & (gc <= high * n + 1e-9)

    def _contents_hold(self, samples: np.ndarray) -> np.ndarray:
        fine = self._gc_holds(samples)
        for rule in self.rules.forbidden:
            fine &= ~rule.hits(samples).any(1)
        for rule in self.rules.required:
            fine &= rule.hits(samples).any(1)
        return fine

    def repair(self, samples: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return samples (n, length) that fulfil all constraints, near the given ones.

        `scores` (n, 4, length) say how much each base is liked (perturbed logits).
        """
        out = samples.copy()
        for i in np.flatnonzero(~self.holds(samples)):
            out[i] = self._repair_one(samples[i], np.nan_to_num(scores[i], neginf=-1e9))
        return out

    def _repair_one(self, sample: np.ndarray, scores: np.ndarray) -> np.ndarray:
        order = self._thin(self._by_liking(sample, scores))
        start = self._start(scores)
        if self.local:
            start[order] = sample[order]
            return start if self.holds(start[None])[0] else self.base.copy()
        mended = self._mend(start, scores)
        base = self.base.copy() if mended is None else mended
        return self._add(base, sample, [p for p in order if base[p] == self.template[p]])

    def _start(self, scores: np.ndarray) -> np.ndarray:
        """Return the template with Ns filled and compulsory edits made, each by the best base."""
        best = np.where(self.allowed, scores, -np.inf).argmax(0).astype(np.uint8)
        fill = (~self.known | self.compulsory) & ~self.frozen
        return np.where(fill, best, self.template).astype(np.uint8)

    def _by_liking(self, sample: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the positions of edits, compulsory ones first, then those liked most."""
        at = np.flatnonzero(self._edits(sample[None])[0] & ~self.frozen)
        at = at[self.allowed[sample[at], at]]
        gain = scores[sample[at], at] - scores[self.template[at], at]
        return at[np.lexsort((-gain, ~self.compulsory[at]))]

    def _thin(self, order: np.ndarray) -> list[int]:
        """Return the first of `order` that keep their distance, at most `max_edits` of them."""
        limit = len(order) if self.rules.max_edits is None else self.rules.max_edits
        if self.rules.min_distance_bp == 1:
            return order[:limit].tolist()
        kept: list[int] = []
        taken = np.zeros(len(self.template), bool)
        taken[self.compulsory] = True
        for p in order.tolist():
            if len(kept) == limit:
                break
            near = taken[
                max(p - self.rules.min_distance_bp + 1, 0) : p + self.rules.min_distance_bp
            ]
            if near.sum() == int(taken[p]):
                kept.append(p)
                taken[p] = True
        return kept

    def _add(self, base: np.ndarray, sample: np.ndarray, order: list[int]) -> np.ndarray:
        """Return `base` with as many of the sample's edits, in order, as stay allowed.

        Tries all at once, else halves: a batch of edits costs one test if it is allowed.
        """
        if not order:
            return base
        trial = base.copy()
        trial[order] = sample[order]
        if self.holds(trial[None])[0]:
            return trial
        if len(order) == 1:
            return base
        half = len(order) // 2
        return self._add(self._add(base, sample, order[:half]), sample, order[half:])

    def _mend(self, window: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
        """Return the window made to fulfil every constraint, or None if the search fails."""
        for _ in range(ROUNDS):
            if self.holds(window[None])[0]:
                return window
            if not (self._bases_hold(window[None])[0] and self._edits_hold(window[None])[0]):
                return None
            better = self._better(window, scores)
            if better is None:
                return None
            window = better
        return None

    def _better(self, window: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
        """Return the window with one fault less: a motif put in, a hit broken, GC moved."""
        for rule in self.rules.required:
            if not rule.hits(window[None]).any():
                return self._put_in(window, rule, scores)
        hit = np.zeros(len(window), bool)
        for rule in self.rules.forbidden:
            for start in np.flatnonzero(rule.hits(window[None])[0]):
                hit[start : start + rule.width] = True
        if not hit.any():
            return self._move_gc(window, scores)
        base, at = np.nonzero(self.allowed & hit & (np.arange(4)[:, None] != window))
        trials = np.repeat(window[None], len(at), 0)
        trials[np.arange(len(at)), at] = base
        trials = trials[self._bases_hold(trials) & self._edits_hold(trials)]
        if not len(trials):
            return None
        fault = self._faults(np.concatenate([window[None], trials]))
        best = fault[1:].min(initial=np.inf)
        if not best < fault[0]:
            return None
        at = np.flatnonzero(fault[1:] == best)
        liked = scores[np.minimum(trials[at], 3), np.arange(len(window))].sum(1)
        return trials[at[np.argmax(liked)]]

    def _move_gc(self, window: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
        """Return the window with its GC share moved to the range by the changes liked most."""
        n, strong = int((window != 4).sum()), (window == 1) | (window == 2)
        low, high = self.rules.gc_range or (0.0, 1.0)
        lacking = int(np.ceil(low * n - 1e-9)) - int(strong.sum())
        surplus = int(strong.sum()) - int(np.floor(high * n + 1e-9))
        rows = np.array([1, 2] if lacking > 0 else [0, 3])
        usable = np.where(self.allowed[rows], scores[rows], -np.inf)
        base = rows[usable.argmax(0)].astype(np.uint8)
        from_other = (strong != (lacking > 0)) & (window != 4) & ~self.frozen
        at = np.flatnonzero(from_other & np.isfinite(usable.max(0)))
        gain = scores[base[at], at] - scores[window[at], at]
        fault, left = self._faults(window[None])[0], max(lacking, surplus)
        for p in at[np.argsort(-gain, kind="stable")].tolist():
            trial = window.copy()
            trial[p] = base[p]
            if self._edits_hold(trial[None])[0] and self._faults(trial[None])[0] < fault:
                window, fault, left = trial, self._faults(trial[None])[0], left - 1
            if left == 0:
                break
        return window if left == 0 else None

    def _faults(self, windows: np.ndarray) -> np.ndarray:
        """Return how far each window is from its content constraints: hits, missing motifs, GC."""
        total = np.zeros(len(windows))
        for rule in self.rules.forbidden:
            total += rule.hits(windows).sum(1)
        for rule in self.rules.required:
            total += 1000.0 * ~rule.hits(windows).any(1)
        if self.rules.gc_range is not None:
            share = ((windows == 1) | (windows == 2)).sum(1) / np.maximum((windows != 4).sum(1), 1)
            low, high = self.rules.gc_range
            total += np.maximum(0, np.maximum(low - share, share - high))
        return total

    def _put_in(self, window: np.ndarray, rule: MotifRule, scores: np.ndarray) -> np.ndarray | None:
        """Return the window with one hit of `rule`, by fewest edits, then by liking."""
        if rule.width > len(window):
            return None
        parts = [self._cheapest_hits(window, *strand, scores) for strand in rule.strands]
        n_changes, liking, chosen, bases = (np.concatenate(column) for column in zip(*parts))
        n_starts = len(n_changes) // len(parts)
        fault = self._faults(window[None])[0]
        for k in np.lexsort((-liking, n_changes)).tolist():
            if n_changes[k] > rule.width:
                break
            trial = window.copy()
            at = k % n_starts + np.flatnonzero(chosen[k])
            trial[at] = bases[k, chosen[k]]
            if self._edits_hold(trial[None])[0] and self._faults(trial[None])[0] < fault:
                return trial
        return None

    def _cheapest_hits(
        self, window: np.ndarray, loss: np.ndarray, limit: int, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return, for a hit at each start, how many changes it takes (width + 1 = cannot be), how
        they are liked, which positions change (starts, width) and to which base (starts, width)."""
        width, n_starts = len(loss), len(window) - len(loss) + 1
        place = np.arange(n_starts)[:, None] + np.arange(width)
        part, column = window[place], np.arange(width)
        now = np.where(part == 4, NEVER, loss[column, np.minimum(part, 3)]).astype(np.int64)
        options = np.where(self.allowed[:, place], loss.T[:, None], NEVER)
        best = options.argmin(0)
        saved = np.maximum(now - np.take_along_axis(options, best[None], 0)[0], 0)
        order = np.argsort(-saved, 1, kind="stable")
        left = now.sum(1)[:, None] - np.cumsum(np.take_along_axis(saved, order, 1), 1)
        left = np.concatenate([now.sum(1)[:, None], left], 1)
        n_changes = np.where((left <= limit).any(1), (left <= limit).argmax(1), width + 1)
        rank = np.argsort(order, 1)
        chosen = rank < n_changes[:, None]
        gain = scores[best, place] - scores[np.minimum(part, 3), place]
        return n_changes, (gain * chosen).sum(1), chosen, best.astype(np.uint8)
