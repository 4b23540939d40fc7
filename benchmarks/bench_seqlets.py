"""Seqlet calling on 1000 x 2000 attributions with planted spans, against its two references."""

import subprocess
import sys

import numpy as np
import torch

from benchmarks.common import compare
from cisweep.analysis import recursive_seqlets, tfmodisco_seqlets

SPANS = ["example_idx", "start", "end"]
FIRST_CALL = """
import sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
from benchmarks.bench_seqlets import attributions
if sys.argv[2] == "cisweep":
    from cisweep.analysis import recursive_seqlets
else:
    from tangermeme.seqlet import recursive_seqlets
values = attributions(1000)
start = time.process_time()
recursive_seqlets(values)
print(time.process_time() - start)
"""


def attributions(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.laplace(0, 0.01, (n, 2000)).astype(np.float32)
    for row in values:
        for start in rng.integers(20, 1960, 4):
            row[start : start + 10] += rng.uniform(0.02, 0.3)
    return values


def _spans(table) -> list[tuple[int, int, int]]:
    return sorted(table[SPANS].itertuples(index=False, name=None))


def _first_call(name: str) -> float:
    command = [sys.executable, "-c", FIRST_CALL, ".", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _recursive(quick: bool) -> dict:
    from tangermeme.seqlet import recursive_seqlets as peer

    values = attributions(200 if quick else 1000)
    same = _spans(recursive_seqlets(values)) == _spans(peer(values))
    row = compare(
        f"recursive_seqlets {len(values)} x 2000, warm",
        {"cisweep": lambda: recursive_seqlets(values), "tangermeme": lambda: peer(values)},
        repeats=3 if quick else 9,
        goals={"tangermeme": 1.0},
        check="same calls" if same else "DIFFERENT calls",
    )
    return row


def _recursive_first() -> dict:
    medians = {name: _first_call(name) for name in ("cisweep", "tangermeme")}
    return {
        "task": "recursive_seqlets 1000 x 2000, first call in a process",
        "medians": medians,
        "ratios": {"tangermeme": medians["tangermeme"] / medians["cisweep"]},
        "goals": {},
        "check": f"cisweep below 0.1 s: {medians['cisweep'] < 0.1}",
    }


def _tfmodisco(quick: bool) -> dict:
    from modiscolite.extract_seqlets import extract_seqlets

    values = attributions(200 if quick else 1000).astype(np.float64)
    options = {"target_fdr": 0.2, "min_passing_windows_frac": 0.03}
    options |= {"max_passing_windows_frac": 0.2, "weak_threshold_for_counting_sign": 0.8}

    def modiscolite():
        return extract_seqlets(values.copy(), window_size=21, flank=10, suppress=20, **options)[0]

    theirs = sorted((s.example_idx, int(s.start), int(s.end)) for s in modiscolite())
    same = _spans(tfmodisco_seqlets(values)) == theirs
    return compare(
        f"tfmodisco_seqlets {len(values)} x 2000",
        {"cisweep": lambda: tfmodisco_seqlets(values), "tf-modiscolite": modiscolite},
        repeats=3 if quick else 5,
        goals={"tf-modiscolite": 6.0},
        check="same set" if same else "DIFFERENT set",
    )


def _tfmodisco_tangermeme(quick: bool) -> dict:
    from tangermeme.seqlet import tfmodisco_seqlets as peer

    values = attributions(200 if quick else 1000)
    tensor = torch.from_numpy(values)
    n_ours, n_theirs = len(tfmodisco_seqlets(values)), len(peer(tensor.clone()))
    return compare(
        f"tfmodisco_seqlets {len(values)} x 2000, float32",
        {
            "cisweep": lambda: tfmodisco_seqlets(values),
            "tangermeme": lambda: peer(tensor.clone()),
        },
        repeats=1,  # half a minute each
        goals={"tangermeme": 30.0},
        check=f"{n_ours} and {n_theirs} seqlets: tangermeme's are not tf-modiscolite's",
        warm_up=False,
    )


def rows(quick: bool) -> list[dict]:
    torch.set_num_threads(1)
    found = [_recursive(quick), _tfmodisco(quick), _tfmodisco_tangermeme(quick)]
    return found if quick else [*found, _recursive_first()]
