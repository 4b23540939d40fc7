"""Run benchmarks, each in its own process, and write RESULTS.md: `python -m benchmarks.run`.

python -m benchmarks.run [--quick] [task …]     tasks are the names behind `bench_`

results.json keeps the rows of every task with what they were measured on, so that tasks that are
run apart stand in one page.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = (
    "cisweep",
    "torch",
    "numpy",
    "tangermeme",
    "memelite",
    "ledidi",
    "modisco",
    "captum",
    "lightmotif",
)


# What the figures mean, and why a goal is missed.
NOTES = {
    "convolution": "By tiles of four outputs three taps take six multiplications for twelve "
    "(Lavin and Gray 2016); the combinations of inputs and outputs take a fifth of the time.",
    "deep_lift": "A pair needs the reference's forward and backward, where the peers run both "
    "for the example too: half of their operations; convolutions by tiles halve the rest. A few "
    "windows with a few references gain less, since the example is computed in batches of the "
    "references' size. How many references are enough: [stability.md](stability.md).",
    "peak": "The operations are those of the definition; convolutions by tiles take half of the "
    "multiplications, so a rate can be above the peak. Of a BPNet, elementwise operations and "
    "memory take the larger part of the rest: a pair keeps a secant for each activation, which is "
    "more than a core's cache holds.",
    "predict": "In the residual nets nine tenths of the time are convolutions, which torch runs at "
    "the machine's rate: what is gained there is what tiles save.",
    "variants": "Where each variant has a place of its own its reference needs a pass: the change "
    "takes a third of what that takes.",
    "tiles": "Reading the model's operations takes a tenth of a second in each call, which weighs "
    "less on longer sequences.",
}


def machine() -> str:
    """Return what the figures were taken on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x.split(":", 1)[1].strip()
            for x in info.read_text().splitlines()
            if x.startswith("model name")
        ]
        flags = info.read_text().split()
        vectors = next((v for v in ("avx512f", "avx2") if v in flags), "neither AVX-512 nor AVX2")
        cpu = f"{names[0]} ({vectors}), {len(names)} cores" if names else cpu
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} absent")
    return f"{cpu}; Python {platform.python_version()}; {', '.join(found)}"


def one(task: str, quick: bool) -> list[dict]:
    """Return the rows of a benchmark, run by itself with one thread."""
    code = (
        "import json, sys, torch; torch.set_num_threads(1); "
        f"from benchmarks import bench_{task} as b; "
        f"print('ROWS ' + json.dumps(b.rows({quick})))"
    )
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=HERE.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    lines = [x for x in done.stdout.splitlines() if x.startswith("ROWS ")]
    if not lines:
        raise SystemExit(f"benchmark {task} failed:\n{done.stderr[-3000:]}")
    return json.loads(lines[0][5:])


def as_time(seconds: float) -> str:
    """Return seconds with three digits and a unit that fits."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def table(rows: list[dict]) -> str:
    """Return the rows as Markdown."""
    out = [
        "| task | rival | cisweep | rival's time | ratio | goal | equal |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = next(iter(row["medians"]))
        for rival, ratio in row["ratios"].items():
            goal = row["goals"].get(rival)
            verdict = (
                "" if goal is None else f"{goal:g}× {'reached' if ratio >= goal else 'missed'}"
            )
            out.append(
                f"| {row['task']} | {rival} | {as_time(row['medians'][ours])} | "
                f"{as_time(row['medians'][rival])} | {ratio:.2f}× | {verdict} | {row['check']} |"
            )
    return "\n".join(out)


def page(results: dict[str, dict]) -> str:
    """Return RESULTS.md: one table a task."""
    parts = [
        "# Benchmarks\n",
        "Median process CPU seconds of interleaved runs in one process, one thread; the ratio is "
        "rival / cisweep.\nRepeat: `make bench`, or one task by `python -m benchmarks.run TASK` "
        "(the peers have an environment of their own).\nLoad: mean number of processes that "
        "wanted a core, before and after the task; above the number of cores, others shared them, "
        "and their caches.\n",
    ]
    machines = sorted({found["machine"] for found in results.values()})
    parts += [
        f"Machine{'' if len(machines) == 1 else f' {i}'}: {m}.\n" for i, m in enumerate(machines, 1)
    ]
    for task, found in sorted(results.items()):
        number = "" if len(machines) == 1 else f"; machine {machines.index(found['machine']) + 1}"
        size = "reduced sizes (--quick)" if found["quick"] else "full size"
        note = f"\n{NOTES[task]}\n" if task in NOTES else ""
        parts.append(
            f"## {task}\n\n{size}; load {found['load']}{number}\n\n{table(found['rows'])}\n{note}"
        )
    parts.append(
        "GPU: not measured (no GPU was at hand); the code path is the one that the CPU tests run.\n"
    )
    return "\n".join(parts)


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("tasks", nargs="*")
    arguments = parser.parse_args()
    tasks = arguments.tasks or sorted(
        p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py")
    )
    kept = HERE / "results.json"
    for task in tasks:
        print(f"benchmark {task} …", flush=True)
        before = os.getloadavg()[0]
        rows = one(task, arguments.quick)
        # Read again each time: another task may have ended meanwhile.
        results = json.loads(kept.read_text()) if kept.exists() else {}
        results[task] = {
            "machine": machine(),
            "quick": arguments.quick,
            "load": f"{before:.1f} to {os.getloadavg()[0]:.1f}",
            "rows": rows,
        }
        kept.write_text(json.dumps(results, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(page(results))
        print(table(rows), flush=True)


if __name__ == "__main__":
    main()
