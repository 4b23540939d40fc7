"""dropped_regions.tsv, whose rows are put in order on disk: of each, memory has its keys alone."""

from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from cisweep.outputs.tables import in_order, tsv_rows, write_product
from cisweep.plan.accounting import COLUMNS, sort_keys
from cisweep.plan.plan import Plan
from cisweep.products.run import DROPPED_REGIONS

_COPIED = 1 << 20


class DroppedRows:
    """Dropped regions, added table by table, and written in the order of `dropped_table`.

    scratch: file that holds the rows as they come. n_swept: model -> rows that are regions of the
    run. It is a context, within which the file is open.
    """

    def __init__(self, plan: Plan, scratch: Path):
        self._plan = plan
        self._file = open(scratch, "w+b")  # noqa: SIM115  # closed by __exit__
        self._keys: list[tuple[np.ndarray, ...]] = []
        self._ends: list[np.ndarray] = []
        self._texts: list[dict[str, int]] = [{}, {}]
        self._n_bytes = 0
        self.n_swept: Counter[str] = Counter()

    def add(self, table: pd.DataFrame) -> None:
        """Add rows with the columns COLUMNS."""
        if not len(table):
            return
        model, own, place = sort_keys(self._plan, table)
        self.n_swept.update(table["model"][~own])
        texts = (self._code(i, table[k]) for i, k in enumerate(("reason", "strand")))
        start = table["start"].to_numpy(np.int64)
        small = (place.astype(np.int32), own, model.astype(np.int16))
        self._keys.append((*texts, start, *small))
        text = tsv_rows(
            in_order(table[COLUMNS], Path(DROPPED_REGIONS.path), DROPPED_REGIONS)
        ).encode()
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
        assert len(ends) == len(table)  # no cell has a line of its own: names are checked for it
        self._ends.append(ends + self._n_bytes)
        self._file.write(text)
        self._n_bytes += len(text)

    def _code(self, which: int, values: pd.Series) -> np.ndarray:
        """Return a number for each text; which of them comes first is known at the end."""
        code, names = pd.factorize(values)
        known = self._texts[which]
        return np.array([known.setdefault(n, len(known)) for n in names], np.int16)[code]

    def write(self, out: Path) -> int:
        """Write all rows under their header; return their number."""
        write_product(pd.DataFrame(columns=COLUMNS), out, DROPPED_REGIONS)
        if not self._keys:
            return 0
        keys = [np.concatenate(parts) for parts in zip(*self._keys)]
        self._keys.clear()
        for which, known in enumerate(self._texts):
            rank = {name: i for i, name in enumerate(sorted(known))}
            keys[which] = np.array([rank[name] for name in known], np.int16)[keys[which]]
        order = np.lexsort(tuple(keys))
        del keys
        ends = np.concatenate([[0], *self._ends])
        first = np.flatnonzero(np.diff(order, prepend=-2) != 1)
        with open(out, "ab") as target:
            for begin, stop in zip(first, np.append(first[1:], len(order))):
                span = ends[order[begin]], ends[order[stop - 1] + 1]
                _copy(self._file, target, *map(int, span))
        return len(order)

    def __enter__(self) -> "DroppedRows":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _copy(source: IO[bytes], target: IO[bytes], begin: int, end: int) -> None:
    source.seek(begin)
    for at in range(begin, end, _COPIED):
        target.write(source.read(min(_COPIED, end - at)))
