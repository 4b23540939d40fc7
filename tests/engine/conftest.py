"""One Slurm cluster for all tests of the engine, the small genome, and runs on the cluster."""

import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "workflow")]
import cluster as slurm  # noqa: E402
from support import config  # noqa: E402

_spec = importlib.util.spec_from_file_location(
    "workflow_conftest", HERE.parent / "workflow" / "conftest.py"
)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
small_genome = _module.small_genome


@pytest.fixture(scope="session")
def cluster():
    """A booted cluster; its daemons end with the tests."""
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.cluster() as booted:
        yield booted


@pytest.fixture(scope="session")
def settings(small_genome) -> dict:
    """A config of eight regions in two chunks: predict and attribute only."""
    bed = small_genome.parent / "engine.bed"
    starts = range(1000, 12_000, 1400)
    bed.write_text("".join(f"chrB\t{s}\t{s + 150}\n" for s in starts))
    steps = dict.fromkeys(("select", "seqlets", "hits", "report"))
    steps |= {"predict": {"batch_size": 8}, "attribute": {"n_references": 2, "batch_size": 4}}
    regions = {"bed": str(bed)}
    return config(small_genome, regions=regions, chunk_bp=36_000, motifs=None, steps=steps)


@pytest.fixture(scope="session")
def predicted(tmp_path_factory, settings, snakemake) -> Path:
    """The predictions, made on this machine."""
    folder = tmp_path_factory.mktemp("predicted")
    snakemake(settings, folder, slurm.PREDICTIONS)
    return folder


class Driver:
    """One run of the workflow on the cluster, through profiles/slurm."""

    def __init__(self, cluster, folder: Path, name: str):
        self.cluster, self.folder, self.name = cluster, folder, name
        self.process: subprocess.Popen | None = None
        self.text = folder / "driver.txt"

    def start(self, settings: dict, *arguments: str) -> None:
        """Start Snakemake; what it prints goes to the file `text`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        overlay = self.folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(settings))
        command = [
            sys.executable, str(HERE / "driver.py"), "-s", str(ROOT / "Snakefile"),
            "--directory", str(self.folder), "--configfile", str(overlay),
            "--workflow-profile", str(ROOT / "profiles" / "slurm"), "--latency-wait", "10",
            "--slurm-status-command", "squeue", "--slurm-jobname-prefix", self.name,
            "--slurm-init-seconds-before-status-checks", "1", *arguments,
        ]  # fmt: skip
        with open(self.text, "w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.cluster.environment(),
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=slurm.die_with_parent,
            )

    def wait(self, seconds: float = 400) -> tuple[int, str]:
        """Return the exit code and the text; a driver that hangs is killed and the test fails."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the driver hangs:\n{self.text.read_text()[-4000:]}") from None
        return code, self.text.read_text()

    def run(self, settings: dict, *arguments: str) -> str:
        """Run Snakemake to its good end and return what it printed."""
        self.start(settings, *arguments)
        code, text = self.wait()
        assert code == 0, text[-6000:]
        return text


@pytest.fixture
def driver(cluster, tmp_path, request):
    """A driver whose jobs carry the test's name; what is left of it ends with the test."""
    name = f"{request.node.name.removeprefix('test_')[:40]}"
    made = Driver(cluster, tmp_path / "cluster", name)
    yield made
    with contextlib.suppress(ProcessLookupError):
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
            made.process.wait()
    if left := cluster.queue(name):
        cluster.ask("scancel", *left, check=False)
