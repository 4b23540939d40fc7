"""What kills, damage, full disks and odd surroundings do to a run: the figures of RELIABILITY.md.

    python -m benchmarks.reliability kills [number] [seed]
    python -m benchmarks.reliability damage
    python -m benchmarks.reliability disk
    python -m benchmarks.reliability surroundings
    python -m benchmarks.reliability planning [chunks]
    python -m benchmarks.reliability chunks [number] [kills] [seed]

Each ends in an error where a product differs from those of an undisturbed run. The tests of
tests/workflow/test_faults.py use the same functions, with fewer kills.
"""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pysam
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "workflow"))
from support import STEPS, assert_same, config, jobs_run  # noqa: E402

MODEL = Path("results/small/ctcf_pu1")
RESOURCES = ROOT / "workflow" / "resources"


@dataclass
class Run:
    """A run of the workflow in a folder of its own, its drivers one after the other."""

    folder: Path
    settings: dict[str, Any]
    targets: tuple[str, ...] = ()
    cores: int = 2
    said: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a driver."""
        self.folder.mkdir(parents=True, exist_ok=True)
        overlay = self.folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(self.settings))
        return [
            sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"),
            "--directory", str(self.folder), "--configfile", str(overlay),
            "--cores", str(self.cores), *arguments,
            *(("--", *self.targets) if self.targets else ()),
        ]  # fmt: skip

    def start(self, **how: Any) -> subprocess.Popen:
        """Start a driver with a process group of its own; its words go to the file driver.log."""
        command = self.command()
        with open(self.folder / "driver.log", "w") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder, **how
            )

    def finish(self, *arguments: str, check: bool = True, **how: Any) -> str:
        """Run a driver to its end and return what it said; an error where it fails."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=self.folder, **how
        )
        self.said.append(done.stderr)
        if check and done.returncode:
            raise AssertionError(f"snakemake failed:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
        return done.stderr

    def forget(self) -> None:
        """Remove all that the run has made."""
        shutil.rmtree(self.folder / "results", ignore_errors=True)
        shutil.rmtree(self.folder / ".snakemake", ignore_errors=True)

    def half_written(self) -> list[Path]:
        """Return the temporary files below the results."""
        return list((self.folder / "results").rglob(".tmp*"))

    def unlock(self) -> None:
        """Do what --unlock does, without planning the run for it."""
        shutil.rmtree(self.folder / ".snakemake" / "locks", ignore_errors=True)

    def locked(self) -> bool:
        """Is the folder locked?"""
        return any((self.folder / ".snakemake" / "locks").glob("*.lock"))


def jobs_of(driver: subprocess.Popen) -> list[psutil.Process]:
    """Return the running scripts of a driver."""
    found = []
    try:
        for process in psutil.Process(driver.pid).children(recursive=True):
            line = process.cmdline()
            if any(part.endswith(".py") and "/scripts/" in part for part in line[:3]):
                found.append(process)
    except psutil.Error:
        pass
    return found


def kill_once(
    run: Run, what: str, draw: random.Random, sign: int = signal.SIGKILL, seconds: float = 15
) -> str:
    """Start a driver and send a signal up to `seconds` after its first job began.

    what: driver, job (one of the running ones), both (the driver and all jobs). Returns what was
    hit; "nothing" if the run was over before.
    """
    driver = run.start()
    while driver.poll() is None and not jobs_of(driver):
        time.sleep(0.2)
    time.sleep(draw.uniform(0, seconds))
    jobs = jobs_of(driver)
    if driver.poll() is not None:
        return "nothing"
    hit = [] if what == "driver" else jobs if what == "both" else jobs[:1]
    if what != "job":
        driver.send_signal(sign)
    for job in hit:
        try:
            job.send_signal(sign)
        except psutil.Error:
            hit = [other for other in hit if other is not job]
    driver.wait()
    # The jobs of a dead driver go on, and are waited for but once in a while.
    if what != "driver" or draw.random() < 0.5:
        psutil.wait_procs(jobs, timeout=300)
    if run.locked():
        run.unlock()
    return f"{what}, {len(hit)} job(s)"


def kills(
    run: Run, number: int, seed: int, seconds: float = 15, until: float = float("inf")
) -> dict[str, int]:
    """Kill a run at random times, then let it end; return what was hit and how often.

    A run that ends before all kills is made anew. until: time (of time.time) after which no further
    kill is made. Raises AssertionError where a temporary file is left in the end.
    """
    draw, hits = random.Random(seed), {}
    kinds = ["driver", "job", "both"] * -(-number // 3)
    draw.shuffle(kinds)
    kinds = kinds[:number]
    while kinds and time.time() < until:
        hit = kill_once(run, kinds[-1], draw, seconds=seconds)
        if hit == "nothing":
            run.forget()
        else:
            kinds.pop()
        hits[hit.split(",")[0]] = hits.get(hit.split(",")[0], 0) + 1
        print(f"SIGKILL: {hit}; left: {len(run.half_written())} half-written file(s)", flush=True)
        log = (run.folder / "driver.log").read_text()
        hits["sweeps"] = hits.get("sweeps", 0) + ("half-written file(s) of jobs" in log)
    time.sleep(1)
    said = run.finish()
    hits["sweeps"] += "half-written file(s) of jobs" in said
    left = run.half_written()
    assert not left, left
    return hits


def gentle_ends(run: Run, seed: int) -> None:
    """End a run by SIGINT and SIGTERM, the driver alone and with its jobs; nothing may be left."""
    draw = random.Random(seed)
    for sign in (signal.SIGINT, signal.SIGTERM):
        for what in ("both", "driver"):
            while (hit := kill_once(run, what, draw, sign)) == "nothing":
                run.forget()
            left = run.half_written()
            print(f"{sign.name}: {hit}; left: {len(left)}, locked: {run.locked()}", flush=True)
            assert not left, left


# ---- damage --------------------------------------------------------------------------------------

UNMADE = (
    "attributions.h5", "attribution_summary.tsv", "seqlets.parquet", "seqlets.bed",
    "seqlet_summary.tsv", "hits.parquet", "hits.bed", "motif_families.tsv",
    "motif_ranking.tsv", "peaks.tsv", "peaks_summary.tsv", "chunks/seqlets/c000001.parquet",
    "chunks/seqlets_null/c000001.h5", "../dropped_regions.tsv",
)  # fmt: skip
"""What a half-finished run has not yet made, so that each kind of part is read again."""

DAMAGED = (
    "prepare/prepared.json", "predictions.h5", "peaks.bed", "chunks/predict/c000000.dropped.tsv",
    "chunks/select_null/c000000.npz", "chunks/attribute/c000000.h5",
    "chunks/attribute/.c000001.h5.origin", "chunks/seqlets_null/c000000.h5",
    "chunks/seqlets_null/size.json", "chunks/seqlets/background.json",
    "chunks/seqlets/c000000.parquet", "chunks/seqlets/c000000.tally.json",
    "chunks/hits/c000000.parquet", "chunks/hits/c000000.npz", "chunks/hits/.c000001.npz.key",
    "../base_counts.json",
)  # fmt: skip
"""One of each kind of part, a note of origin, and a key of reuse."""


def flip(path: Path, draw: random.Random) -> None:
    """Flip one bit of a file and leave size and time of change: what a bad disk does."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def damage(undisturbed: Path, run: Run, seed: int = 0) -> list[str]:
    """Flip a bit in each kind of part of a half-finished copy of a run; end it by one command.

    Returns what the run said of it.
    """
    shutil.copytree(undisturbed, run.folder, symlinks=True)
    folder, draw = run.folder / MODEL, random.Random(seed)
    for name in UNMADE:
        (folder / name).unlink()
    for name in DAMAGED:
        flip(folder / name, draw)
    lines = [x for x in run.finish().splitlines() if x.startswith("cisweep:") and "damaged" in x]
    for path in run.folder.rglob("*.damaged"):
        if path.name != ".damaged":
            path.unlink()
    return lines


# ---- full disk -----------------------------------------------------------------------------------


def full_disk(run: Run, room: float) -> str:
    """Run where the disk is full in the middle, make room, run again; return the first's words.

    run.folder: on a file system of its own, which is filled here but for `room` bytes.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    ballast = run.folder / "ballast"
    # Given to the file at once; a sparse file would take no room.
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, int(shutil.disk_usage(run.folder).free - room))
    said = run.finish(check=False)
    assert not run.half_written(), run.half_written()
    ballast.unlink()
    if run.locked():
        run.unlock()
    run.finish()
    return said


# ---- surroundings --------------------------------------------------------------------------------

ODD_NAME = 'a folder\'s "name" with } ü 試 $x'
"""A path that shells, formats and encodings stumble over."""


def odd_surroundings() -> dict[str, Any]:
    """Return what Popen takes for: no HOME, a plain C locale without UTF-8, another time zone,
    random hashes, umask 077, 64 open files."""

    def before() -> None:
        os.umask(0o077)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS")}
    odd = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "random"}
    return {"env": kept | odd, "preexec_fn": before}


def read_only(folder: Path) -> None:
    """Take the right to write from a folder and all that is in it."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


# ---- from the command line -----------------------------------------------------------------------


def small_genome(folder: Path) -> Path:
    """Write the genome and motifs of the tests' small run, indexed; return the FASTA."""
    folder.mkdir(parents=True, exist_ok=True)
    with pysam.FastaFile(str(RESOURCES / "genome" / "chr20_0_1Mb.fa.gz")) as source:
        text = source.fetch("chr20", 250_000, 279_000) + "N" * 1000
        other = source.fetch("chr20", 600_000, 612_000)
    path = folder / "genome.fa"
    path.write_text(f">chrA\n{text}\n>chrB\n{other}\n")
    pysam.faidx(str(path))
    meme = (RESOURCES / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme").read_text()
    header, *motifs = meme.split("MOTIF ")
    wanted = ("CTCF", "SPI1", "IKZF2", "ETV6", "NRF1", "KLF4", "GATA1")
    kept = "".join(f"MOTIF {m}" for m in motifs if m.split()[1] in wanted)
    (folder / "motifs.meme").write_text(header + kept)
    return path


def _undisturbed(run: Run) -> Path:
    start = time.monotonic()
    run.finish()
    print(f"undisturbed run: {time.monotonic() - start:.0f} s", flush=True)
    return run.folder


def _whole(folder: Path) -> tuple[Path, dict[str, Any]]:
    settings = config(small_genome(folder / "input"), chunk_bp=22_000)
    return _undisturbed(Run(folder / "undisturbed", settings)), settings


def few_regions(genome: Path) -> dict[str, Any]:
    """Return a config of many short jobs: 14 regions, a chunk each, predicted and attributed."""
    bed = genome.parent / "regions.bed"
    rows = [("chrA", s) for s in range(1000, 28_000, 3000)]
    rows += [("chrB", s) for s in range(1000, 11_000, 2000)]
    bed.write_text("".join(f"{c}\t{s}\t{s + 150}\n" for c, s in rows))
    return config(genome, chunk_bp=2_000) | {
        "regions": {"bed": str(bed)},
        "steps": STEPS | {"select": None, "seqlets": None, "hits": None},
    }


def _kills(folder: Path, number: str = "20", seed: str = "1") -> None:
    settings = few_regions(small_genome(folder / "input"))
    targets = (str(MODEL / "predictions.h5"), str(MODEL / "attributions.h5"))
    undisturbed = _undisturbed(Run(folder / "undisturbed", settings, targets))
    run = Run(folder / "killed", settings, targets)
    gentle_ends(run, int(seed))
    hits = kills(run, int(number), int(seed))
    assert_same(undisturbed, run.folder)
    print(f"{hits}: same products, nothing left")


def _damage(folder: Path) -> None:
    undisturbed, settings = _whole(folder)
    run = Run(folder / "damaged", settings)
    print(*damage(undisturbed, run), sep="\n")
    assert_same(undisturbed, run.folder)
    print(f"{len(DAMAGED)} flipped bits, one command: same products")


def _disk(folder: Path) -> None:
    undisturbed, settings = _whole(folder)
    mounted = folder / "small disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mounted)], check=True)
    try:
        results = (undisturbed / "results").rglob("*")
        size = sum(path.stat().st_size for path in results if path.is_file())
        said = full_disk(Run(mounted / "run", settings), size / 2)
        print(*sorted(set(re.findall(r".*No space left.*", said))), sep="\n")
        assert_same(undisturbed, mounted / "run")
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
    print("full in the middle, then room: same products")


def _surroundings(folder: Path) -> None:
    undisturbed, _ = _whole(folder)
    given = folder / ODD_NAME / "input"
    genome = small_genome(given)
    read_only(given)
    run = Run(folder / ODD_NAME / "run", config(genome, chunk_bp=22_000))
    run.finish(**odd_surroundings())
    assert_same(undisturbed, run.folder)
    print("all of it at once: same products")


def _genome_of_chunks(folder: Path, chunks: int) -> Path:
    """Write a random genome of so many chunks of 400 bp; return its path."""
    path = folder / "input" / "genome.fa"
    path.parent.mkdir(parents=True)
    draw = random.Random(0)
    path.write_text(">chrA\n" + "".join(draw.choices("ACGT", k=400 * chunks)) + "\n")
    pysam.faidx(str(path))
    return path


def _chunks(folder: Path, chunks: str = "1000", number: str = "5", seed: str = "0") -> None:
    """Kill a run of many chunks at random times; compare its products, and what it took in all.

    Steps predict and select. The times of the kills are spread over what an undisturbed run takes.
    """
    genome = _genome_of_chunks(folder, int(chunks))
    steps = {"predict": {}, "select": {"fdr": None, "top_n": 12, "null_windows": 0}}
    off = {name: None for name in ("attribute", "seqlets", "hits", "report")}
    settings = config(genome, chunk_bp=400, steps=off | steps) | {"motifs": None}
    undisturbed, run = Run(folder / "undisturbed", settings), Run(folder / "killed", settings)
    begin = time.monotonic()
    undisturbed.finish()
    whole = time.monotonic() - begin
    print(f"undisturbed: {whole:.0f} s", flush=True)
    begin = time.monotonic()
    hits = kills(run, int(number), int(seed), seconds=1.6 * whole / (int(number) + 1))
    taken = time.monotonic() - begin
    assert_same(undisturbed.folder, run.folder)
    print(f"{hits}: same products; {taken:.0f} s with all starts, {taken - whole:.0f} s more")


def _planning(folder: Path, chunks: str = "3000") -> None:
    """Time `snakemake -n` of a run of many chunks, with empty files in place of its parts."""
    path = _genome_of_chunks(folder, int(chunks))
    steps = {name: None for name in ("select", "attribute", "seqlets", "hits", "report")}
    settings = config(path, chunk_bp=400, steps=steps | {"predict": {}}) | {"motifs": None}
    run = Run(folder / "run", settings)
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        said = run.finish("-n", "--quiet", "rules")
        seconds.append(time.monotonic() - start)
    print(f"{jobs_run(said)}\nsnakemake -n: {sorted(seconds)[2]:.1f} s (median of 5)")


_COMMANDS: Mapping[str, Callable[..., None]] = {
    "kills": _kills,
    "damage": _damage,
    "disk": _disk,
    "surroundings": _surroundings,
    "planning": _planning,
    "chunks": _chunks,
}


def main() -> None:
    """Run one of the commands in a folder that goes in the end."""
    name, *rest = sys.argv[1:] or [""]
    if name not in _COMMANDS:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        _COMMANDS[name](Path(folder), *rest)


if __name__ == "__main__":
    main()
