"""Splits into training, validation and test that do not leak."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cisweep.errors import TrainingError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Row indices (int64, ascending) of the three parts; rows in none of them are left out."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of each part."""
        return {part: len(getattr(self, part)) for part in PARTS}

    @classmethod
    def from_labels(cls, labels: np.ndarray) -> "Split":
        """Return the split whose part of each row is named in `labels`; other names: left out."""
        made = cls(*(np.flatnonzero(labels == part) for part in PARTS))
        empty = [part for part, n in made.sizes().items() if n == 0]
        if empty:
            raise TrainingError(
                f"the split leaves no row for {' and '.join(empty)} (sizes {made.sizes()})",
                where="split",
                mend="choose other fractions, groups or chromosomes",
            )
        return made


def split(
    n: int,
    *,
    groups: Sequence | np.ndarray | None = None,
    validation: float | Sequence = 0.16,
    test: float | Sequence = 0.2,
    random_state: int = 0,
) -> Split:
    """Return a split of `n` rows; rows of one group stay together.

    Parameters
    ----------
    n: number of rows.
    groups: (n,) labels; a chromosome, a cluster of near-duplicates, a patient. None: each row
        is its own group.
    validation, test: a fraction of the rows (groups are drawn at random until it is reached),
        or a list of group labels.
    random_state: seeds the draw of groups; it does not matter where both are lists.

    Raises
    ------
    TrainingError: an unknown group label, a label in both lists, an empty part.
    """
    codes, names = _group_codes(n, groups)
    sizes = np.bincount(codes, minlength=len(names))
    part_of_group = np.full(len(names), "train", dtype="U10")
    for part, wish in (("validation", validation), ("test", test)):
        if not isinstance(wish, int | float):
            part_of_group[_listed(names, wish, part_of_group, part)] = part
    order = np.random.default_rng(random_state).permutation(len(names))
    for part, wish in (("test", test), ("validation", validation)):
        if isinstance(wish, int | float):
            if not 0 < wish < 1:
                raise TrainingError(
                    f"{part} must be a fraction between 0 and 1 or a list, got {wish}",
                    where="split",
                )
            free = order[part_of_group[order] == "train"]
            before = np.cumsum(sizes[free]) - sizes[free]
            # A group enters while its middle lies below the quota: the nearest total.
            part_of_group[free[before + sizes[free] / 2 <= wish * n]] = part
    return Split.from_labels(part_of_group[codes])


def _group_codes(n: int, groups: Sequence | np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if groups is None:
        return np.arange(n), np.arange(n)
    groups = np.asarray(groups)
    if len(groups) != n:
        raise TrainingError(f"{len(groups)} group labels for {n} rows", where="split")
    names, codes = np.unique(groups, return_inverse=True)
    return codes, names


def _listed(names: np.ndarray, wish: Sequence, taken: np.ndarray, part: str) -> np.ndarray:
    place = {name: i for i, name in enumerate(names.tolist())}
    unknown = [label for label in wish if label not in place]
    if unknown:
        known = ", ".join(map(str, list(place)[:10]))
        raise TrainingError(
            f"{part} names {unknown}, which no row has", where="split", mend=f"there are: {known}"
        )
    rows = np.array([place[label] for label in wish], dtype=np.int64)
    twice = names[rows[taken[rows] != "train"]].tolist()
    if twice:
        raise TrainingError(f"{twice} stand in validation and in test", where="split")
    return rows


def split_regions(
    chrom: Sequence[str] | np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    *,
    validation: Sequence[str],
    test: Sequence[str],
) -> Split:
    """Return the split of `region_parts`."""
    return Split.from_labels(region_parts(chrom, start, end, validation, test))


def region_parts(
    chrom: Sequence[str] | np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    validation: Sequence[str],
    test: Sequence[str],
) -> np.ndarray:
    """Return the part of each window (one of PARTS), by chromosomes or stretches of them.

    `validation` and `test` name chromosomes ("chr8") or stretches ("chr20:0-26000000", 0-based
    half-open). A window that touches a test stretch is a test window, else one that touches a
    validation stretch is a validation window: no training window shares a base with either.
    """
    chrom, start, end = np.asarray(chrom), np.asarray(start), np.asarray(end)
    labels = np.full(len(chrom), "train", dtype="U10")
    for part, stretches in (("validation", validation), ("test", test)):
        for stretch in stretches:
            labels[touches(stretch, chrom, start, end)] = part
    return labels


def touches(stretch: str, chrom: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return which windows (bool) share a base with `stretch`, "chrom" or "chrom:start-end"."""
    name, _, span = stretch.partition(":")
    inside = np.asarray(chrom) == name
    if span:
        try:
            low, high = (int(x) for x in span.replace(",", "").split("-"))
        except ValueError:
            raise TrainingError(
                f"{stretch!r} is not a stretch", where="split", mend="write chrom:start-end"
            ) from None
        inside = inside & (start < high) & (end > low)
    return inside


def near_duplicate_groups(tokens: np.ndarray, k: int = 20, max_share: float = 0.05) -> np.ndarray:
    """Return a group number (N,) int64; sequences that share a k-mer are in one group.

    The relation is closed transitively, on the given strand. What all constructs share must not
    join them: k-mers that touch a constant column (flanks: one base in more than 90 % of the
    rows), that hold N, or that occur in more than `max_share` of the sequences, and in more than
    two, do not count.
    Two random 80-mers share a 20-mer with probability 3e-9, whereas two copies with up to three
    mutations in 80 bp always do.

    Parameters
    ----------
    tokens: (N, L) uint8, 0..3, 4 = N.
    k: length of the k-mer, 1 to 31.
    """
    n, length = tokens.shape
    if not 1 <= k <= min(31, length):
        raise TrainingError(f"k is {k}, sequences have {length} bp", where="near_duplicate_groups")
    codes = np.zeros((n, length - k + 1), dtype=np.int64)
    for offset in range(k):
        codes <<= 2
        codes |= tokens[:, offset : offset + length - k + 1] & 3
    constant = np.stack([(tokens == base).mean(axis=0) for base in range(4)]).max(axis=0) > 0.9
    # A handful of rows agree by chance or because they are duplicates.
    mute = (tokens == 4) | (constant & (n >= 20))
    muted = np.lib.stride_tricks.sliding_window_view(mute, k, axis=1).any(axis=2)
    row = np.broadcast_to(np.arange(n)[:, None], codes.shape)[~muted]
    kmers, column = np.unique(codes[~muted], return_inverse=True)
    edges = np.unique(row * len(kmers) + column) if len(kmers) else np.zeros(0, np.int64)
    row, column = edges // max(len(kmers), 1), edges % max(len(kmers), 1)
    rare = np.bincount(column, minlength=len(kmers)) <= max(max_share * n, 2)
    keep = rare[column]
    # Sequences and k-mers are the two sides of one graph; its components are the groups.
    size = n + len(kmers)
    graph = coo_matrix((np.ones(keep.sum(), bool), (row[keep], n + column[keep])), (size, size))
    return connected_components(graph, directed=False)[1][:n].astype(np.int64)


def leaked_rows(tokens: np.ndarray, parts: Split) -> list[tuple[int, int]]:
    """Return (training row, held-out row) of equal sequences, in order of the training row.

    Parameters
    ----------
    tokens: (N, L) uint8 of all rows that `parts` refers to.
    """
    packed = np.ascontiguousarray(tokens).view(np.dtype((np.void, tokens.shape[1]))).ravel()
    held = {packed[i].tobytes(): int(i) for i in (*parts.validation, *parts.test)}
    found = ((int(i), held.get(packed[i].tobytes())) for i in parts.train)
    return [(row, twin) for row, twin in found if twin is not None]


def check_leak(tokens: np.ndarray, parts: Split) -> None:
    """Raise TrainingError if a held-out sequence equals a training sequence.

    Parameters
    ----------
    tokens: (N, L) uint8 of all rows that `parts` refers to.
    """
    pairs = leaked_rows(tokens, parts)
    if pairs:
        row, twin = pairs[0]
        raise TrainingError(
            f"leaking split: {len(pairs)} training sequences are held out too "
            f"(row {row} equals row {twin})",
            where="split",
            mend="set split.by: group with data.group, or split.by: near_duplicates",
        )


def without_leaks(tokens: np.ndarray, parts: Split) -> tuple[Split, list[tuple[int, int]]]:
    """Return the split without the training rows that equal a held-out one, and those pairs."""
    pairs = leaked_rows(tokens, parts)
    leaked = np.array([row for row, _ in pairs], dtype=np.int64)
    return replace(parts, train=np.setdiff1d(parts.train, leaked)), pairs
