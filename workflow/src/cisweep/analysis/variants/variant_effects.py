"""Effects of variants from a file: both alleles' windows are predicted, averaged, compared.

A window of the reference is predicted once for all variants that share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cisweep.analysis.variants.model import EffectModel
from cisweep.analysis.variants.scores import (
    EFFECT_COLUMNS,
    PROFILE_COLUMNS,
    NullPool,
    ProfileChange,
    log2_fold_change,
    probability_change,
    profile_change,
)
from cisweep.config.targets import TargetConfig
from cisweep.contracts import seed_of
from cisweep.errors import VariantError
from cisweep.genome.fasta import SequenceSource
from cisweep.genome.variants.alleles import AllelePolicy, AlleleWindows, Trim, allele_windows
from cisweep.genome.variants.edits import Edit
from cisweep.genome.variants.reading import Variant
from cisweep.sequence.tokens import shuffle_tokens

_REFERENCES_AT_ONCE = 512


@dataclass(frozen=True)
class VariantEffects:
    """Predictions of both alleles of V variants for T targets.

    ref, alt: (V, T) float32, averaged over folds and strands, in the targets' own scales; delta_sd:
    (V, T) float32, standard deviation of alt - ref over folds and strands; profiles: target name ->
    ProfileChange, averaged over folds and strands before they are compared; nulls: the variants'
    effects in shuffled flanks.
    """

    alleles: AlleleWindows
    targets: list[TargetConfig]
    ref: np.ndarray
    alt: np.ndarray
    delta_sd: np.ndarray
    profiles: dict[str, ProfileChange]
    nulls: NullPool

    @property
    def delta(self) -> np.ndarray:
        """(V, T) float32: alt - ref, in the targets' own scales."""
        return self.alt - self.ref

    def table(self) -> pd.DataFrame:
        """Return one row per variant and target, variants in their order.

        start, end: span of the trimmed reference allele, 0-based half-open (equal for an
        insertion). haplotype: those of the sample that the row shows, "" without a sample. log2fc,
        delta_probability and the profile's columns are NaN where the target has none.
        Columns: EFFECT_COLUMNS.
        """
        variants, n_targets = self.alleles.variants, len(self.targets)
        edits = [Edit.of(v) for v in variants]
        sites = {
            "chrom": [v.chrom for v in variants],
            "start": [e.pos for e in edits],
            "end": [e.pos + e.n_ref for e in edits],
            **{
                name: [getattr(v, name) for v in variants] for name in ("ref", "alt", "id", "group")
            },
            "pos": [v.pos for v in variants],
            "kind": [v.kind for v in variants],
            "shifted_bp": [v.shifted_bp for v in variants],
            "source": [v.source for v in variants],
            "n_joined": self.alleles.n_joined,
            "haplotype": [v.haplotype for v in variants],
        }
        found = pd.DataFrame({k: np.repeat(np.asarray(v), n_targets) for k, v in sites.items()})
        found["target"] = np.tile([t.name for t in self.targets], len(variants))
        found["scale"] = np.tile([t.scale for t in self.targets], len(variants))
        numbers = {"prediction_ref": self.ref, "prediction_alt": self.alt, "delta": self.delta}
        numbers["delta_sd"] = self.delta_sd
        for name, score in (
            ("log2fc", log2_fold_change),
            ("delta_probability", probability_change),
        ):
            numbers[name] = np.stack(
                [
                    score(self.ref[:, t], self.alt[:, t], c.scale)
                    for t, c in enumerate(self.targets)
                ],
                axis=1,
            )
        for field, name in PROFILE_COLUMNS.items():
            columns = [self._profile(t.name, field) for t in self.targets]
            numbers[name] = np.stack(columns, axis=1)
        for name, values in numbers.items():
            found[name] = values.astype(np.float32).ravel()
        return found[EFFECT_COLUMNS]

    def _profile(self, target: str, field: str) -> np.ndarray:
        if target not in self.profiles:
            return np.full(len(self.alleles), np.nan)
        return getattr(self.profiles[target], field)


def variant_effects(
    model: EffectModel,
    variants: Sequence[Variant],
    genome: SequenceSource,
    policy: AllelePolicy | None = None,
    *,
    starts: np.ndarray | None = None,
    others: Sequence[Variant] | None = None,
    n_nulls: int = 0,
    seed: int = 0,
    batch_size: int = 64,
) -> VariantEffects:
    """Return what each variant changes in the model's predictions.

    Parameters
    ----------
    model: EffectModel.load(config) or EffectModel.of_module(module, targets, window_bp).
    variants: kept variants of read_vcf.
    genome: what they were read against.
    policy: how windows are made; None: centred windows of the model's length, trimmed on the right.
    starts: (N,) 0-based window starts instead of centred windows.
    others: variants that haplotypes may carry; None: `variants`.
    n_nulls: draws of shuffled flanks a variant, for empirical p-values.
    seed: of the draws; a draw depends on it, the variant and the number of the draw alone.
    batch_size: windows that go to the device at once.

    Returns
    -------
    VariantEffects; variants without a window are in `.alleles.dropped`. A variant that does not
    touch its window has an effect of exactly 0.

    Raises
    ------
    VariantError: the policy's window is not the model's; nulls are asked for with haplotypes.
    """
    policy = policy or AllelePolicy(model.window_bp)
    if policy.window_bp != model.window_bp:
        raise VariantError(
            f"windows of {policy.window_bp} bp, and the model reads {model.window_bp} bp",
            where="window_bp",
            mend="use the model's window_bp",
        )
    if n_nulls and policy.haplotype:
        raise VariantError(
            "nulls shuffle the flanks, which a haplotype also changes",
            where="steps.variants.n_nulls",
            mend="set steps.variants.n_nulls: 0 with haplotypes, or score variants alone",
        )
    policy = replace(policy, places=bool(model.signal_inputs))
    alleles = allele_windows(variants, genome, policy, starts, others)
    nulls = NullPool.empty(len(model.targets))
    if n_nulls:
        draw = _NullDraws(model, genome, policy.trim, n_nulls, seed)
        blocks = (block for _, block in alleles.blocks(_REFERENCES_AT_ONCE))
        nulls = nulls.merge(draw.pool(block, batch_size) for block in blocks)
    return VariantEffects(alleles, model.targets, *_effects(model, alleles, batch_size), nulls)


def _effects(
    model: EffectModel, alleles: AlleleWindows, batch_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, ProfileChange]]:
    """Return (ref, alt, delta_sd, profiles) of all variants, in their order."""
    n = len(alleles)
    ref, alt, sd = (np.zeros((n, len(model.targets)), dtype=np.float32) for _ in range(3))
    offsets = {t.name: model.profile_offset(t) for t in model.profile_targets if n}
    profiles = {t.name: ProfileChange(*np.zeros((3, n))) for t in model.profile_targets}
    for rows, block in alleles.blocks(_REFERENCES_AT_ONCE):
        inputs = model.inputs_at(block.windows.chrom, block.ref_places)
        before = model.predict(block.windows, block.ref, batch_size, inputs)
        changed = np.flatnonzero(block.changed)
        windows = block.windows.take(block.ref_idx[changed])
        places = None if block.places is None else block.places[changed]
        inputs = model.inputs_at(windows.chrom, places)
        after = model.predict(windows, block.alt[changed], batch_size, inputs)
        # What did not change has its reference's prediction, and so an effect of exactly 0.
        scalars = before.scalars[:, block.ref_idx]
        delta = np.zeros_like(scalars) * scalars
        delta[:, changed] = after.scalars - scalars[:, changed]
        ref[rows], sd[rows] = before.mean[block.ref_idx], np.nanstd(delta, axis=0)
        alt[rows] = ref[rows]
        alt[rows[changed]] = after.mean
        for name, offset in offsets.items():
            if not len(changed):
                continue
            shown = before.profiles[name][block.ref_idx[changed]]
            columns = block.columns[changed]
            change = profile_change(shown, after.profiles[name], columns, offset)
            for field in ("jsd", "max_signed", "max_abs"):
                getattr(profiles[name], field)[rows[changed]] = getattr(change, field)
    return ref, alt, sd, profiles


@dataclass(frozen=True)
class _NullDraws:
    """Draws of both alleles in the same shuffled flanks, seeded by variant and draw alone."""

    model: EffectModel
    genome: SequenceSource
    trim: Trim
    n: int
    seed: int

    def pool(self, block: AlleleWindows, batch_size: int) -> NullPool:
        """Return the effects of the block's variants in shuffled flanks."""
        drawn = [self._draws(block, i) for i in range(len(block))]
        drawn = [d for d in drawn if d is not None]
        if not drawn:
            return NullPool.empty(len(self.model.targets))
        keys, ref, alt, row = (np.concatenate(parts) for parts in zip(*drawn))
        windows = block.windows.take(block.ref_idx[row])
        # Tracks stay those of the place; only the flanks' letters are drawn.
        places: tuple = (None, None)
        if block.places is not None:
            places = (block.ref_places[block.ref_idx[row]], block.places[row])
        before, after = (
            self.model.predict(
                windows, tokens, batch_size, self.model.inputs_at(windows.chrom, at)
            ).mean
            for tokens, at in zip((ref, alt), places)
        )
        return NullPool.empty(len(self.model.targets)).merge(
            [NullPool(keys, (after - before).astype(np.float32))]
        )

    def _draws(self, block: AlleleWindows, i: int):
        """Return (keys (n,), ref (n, W), alt (n, W), i (n,)) of variant i, or None if it does not
        stand in its window."""
        variant, width = block.variants[i], self.model.window_bp
        own, begin = Edit.of(variant), int(block.windows.start[block.ref_idx[i]])
        n_ref, n_alt, before = own.n_ref, len(own.alt), own.pos - begin
        shift = {"right": 0, "left": n_ref - n_alt, "centre": n_ref // 2 - n_alt // 2}[self.trim]
        before_alt = before + shift
        after, after_alt = width - before - n_ref, width - before_alt - n_alt
        if min(before, before_alt, after, after_alt) < 0:
            return None
        keys = np.array(
            [seed_of(self.seed, "variant_null", variant.key, k) for k in range(self.n)], np.uint64
        )
        n_left, n_right, end = max(before, before_alt), max(after, after_alt), own.pos + n_ref
        left = self._shuffled(variant.chrom, own.pos - n_left, own.pos, keys)
        # The complement of the key: the two flanks must not share their random numbers.
        right = self._shuffled(variant.chrom, end, end + n_right, ~keys)
        gone = self.genome.tokens(variant.chrom, own.pos, end)

        def window(allele: np.ndarray, n_before: int, n_after: int) -> np.ndarray:
            middle = np.broadcast_to(allele, (self.n, len(allele)))
            return np.hstack([left[:, n_left - n_before :], middle, right[:, :n_after]])

        row = np.full(self.n, i)
        return keys, window(gone, before, after), window(own.alt, before_alt, after_alt), row

    def _shuffled(self, chrom: str, start: int, end: int, seeds: np.ndarray) -> np.ndarray:
        tokens = self.genome.tokens(chrom, start, end)[None]
        return shuffle_tokens(tokens, seeds[None])[0]
