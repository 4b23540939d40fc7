"""Start Snakemake with the workflow that is installed, and wait for its end."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import yaml

from cisweep.cli.folder import workflow_folder
from cisweep.config.yaml_files import read_yaml
from cisweep.errors import ConfigError

_HOW_MANY = ("-c", "--cores", "-j", "--jobs", "-e", "--executor", "--workflow-profile")
"""Options of Snakemake that say how many jobs run at once, or where."""


def snakemake_command(
    config: Path | None, options: Sequence[str], profile: str | None = None, verbose: bool = False
) -> list[str]:
    """Return the command that runs the workflow.

    config: the run's, or None for the demo; options: Snakemake's own, handed on as they are;
    profile: a folder with a config.yaml, or the name of one that comes with the workflow.
    Without a number of cores, and with no profile that says where jobs run, all of the machine's
    are used. verbose: as Snakemake tells it, instead of a line a step.
    """
    command = [sys.executable, "-m", "snakemake"]
    if not verbose and not any(option.split("=")[0] == "--logger" for option in options):
        command += ["--logger", "cisweep"]
    if config is not None:
        command += ["--configfile", str(config)]
    if profile is not None:
        command += ["--workflow-profile", str(profile_folder(profile))]
    if not _says_how_many(options) and not (profile and _is_elsewhere(profile_folder(profile))):
        command += ["--cores", "all"]
    # It takes one path and no more, so that a target may stand behind it.
    return [*command, "--snakefile", str(workflow_folder() / "Snakefile"), *options]


def profile_folder(profile: str) -> Path:
    """Return the folder of a profile; raises ConfigError where there is none."""
    own = workflow_folder() / "profiles"
    for folder in (Path(profile), own / profile):
        if (folder / "config.yaml").is_file():
            return folder
    known = ", ".join(sorted(path.name for path in own.iterdir()))
    raise ConfigError(
        f"no profile {profile!r}",
        where="--profile",
        mend=f"give a folder that holds a config.yaml, or one of {known}",
    )


def _is_elsewhere(folder: Path) -> bool:
    """Does the profile say itself how many jobs run at once?"""
    try:
        keys = yaml.safe_load((folder / "config.yaml").read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(
            f"is no YAML ({str(error).splitlines()[0]})", where=str(folder / "config.yaml")
        ) from None
    return bool({"executor", "cores", "jobs"} & set(keys))


def _says_how_many(options: Sequence[str]) -> bool:
    # -j4 and --cores=4 are one word.
    return any(
        option == name or option.startswith(f"{name}=") or (len(name) == 2 and option[:2] == name)
        for option in options
        for name in _HOW_MANY
    )


def call(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit status; it gets the signals meant for us.

    Ctrl-C reaches it from the terminal by itself: it cancels its jobs, and is waited for.
    """
    process = subprocess.Popen(command)

    def hand_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, hand_on), (signal.SIGINT, signal.SIG_IGN))
    }
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def run_name(config: Path | None) -> str:
    """Return the name of the run; raises ConfigError where there is no such config or no name."""
    if config is None:
        config = workflow_folder() / "config" / "demo.yaml"
    if not config.is_file():
        raise ConfigError(
            "no such config",
            where=str(config),
            mend="the config comes first, options of Snakemake behind it; "
            "`cisweep init` writes a config",
        )
    data = read_yaml(config)
    name = data.get("run") if isinstance(data, dict) else None
    if not isinstance(name, str):
        raise ConfigError("the run has no name", where=str(config), mend="add a line `run: mine`")
    return name


def results_folder(config: Path | None) -> Path:
    """Return results/<run>, relative to the folder of the call, as everything of a run."""
    return Path("results", run_name(config))
