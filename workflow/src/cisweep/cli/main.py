"""The command `cisweep`: its arguments, and what each of its words does."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cisweep import __version__
from cisweep.cli.holding import free
from cisweep.cli.running import call, results_folder, snakemake_command
from cisweep.cli.summary import closing, page_of
from cisweep.errors import CisweepError, ConfigError

_OPTIONS = "Further arguments are handed on to snakemake, e.g. -n (show what would be done)."


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status; a fault is one message on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    args, options = parser.parse_known_args(words)
    if options and not getattr(args, "hands_on", False):
        parser.error(f"unrecognized arguments: {' '.join(options)}")
    try:
        return args.do(args, options)
    except CisweepError as error:
        print(f"cisweep: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cisweep", allow_abbrev=False,
        description="Sweep a sequence-to-function model of DNA across a genome.",
        epilog="Products lie in results/<run> of the folder in which the command is given.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"cisweep {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = _command(commands, "demo", _run, "run the demo: 1 Mb of human chromosome 20", _OPTIONS)
    run = _command(commands, "run", _run, "run what a config asks for", _OPTIONS)
    demo.set_defaults(config=None)
    _takes_config(run)
    for each in (demo, run):
        each.set_defaults(hands_on=True)
        each.add_argument("--profile", metavar="NAME", help="slurm, or a folder of your own with "
                          "a config.yaml of Snakemake's options")  # fmt: skip
        each.add_argument("--verbose", action="store_true", help="all that Snakemake says")

    init = _command(commands, "init", _init, "write a config for your files, with comments")
    _takes_files(init)

    check = _command(commands, "check", _check, "try the config: each model with some "
                     "windows, all files, the number of jobs; all faults at once", "Given weights, "
                     "or a model.yaml alone, it tries that model, and prints the model.yaml that "
                     "works where there is none.")  # fmt: skip
    check.add_argument("config", type=Path, help="YAML file of the run, or a model's file or "
                       "model.yaml")  # fmt: skip
    add = check.add_argument
    add("--module", metavar="NAME", help="of weights: what makes the network, as nets.py:MyNet")
    add("--window-bp", type=int, metavar="N", help="of weights: the window of the training")
    add("--trust-pickle", action="store_true", help="of weights that you made: run their code")
    _takes_config(
        _command(
            commands,
            "estimate",
            _estimate,
            "measure the models and say what a run will take: jobs, hours, memory, disk",
        )
    )

    report = _command(commands, "report", _report, "say where the page of a run is")
    _takes_config(report, optional=True)
    report.add_argument("--remake", action="store_true", help="write the page anew")
    report.set_defaults(profile=None, verbose=False)

    unlock = _command(commands, "unlock", _unlock, "free the folder of a run that was killed")
    _takes_config(unlock, optional=True)
    unlock.add_argument("--cancel", action="store_true", help="cancel its jobs in Slurm's queue")
    unlock.add_argument("--force", action="store_true", help="also where nobody can say whether "
                        "the run is at work, as on another machine")  # fmt: skip
    return parser


def _command(
    commands: argparse._SubParsersAction, name: str, do: Callable, text: str, more: str = ""
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=more,
        allow_abbrev=False,
    )  # fmt: skip
    parser.set_defaults(do=do)
    return parser


def _takes_config(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    more = "; the demo's without one" if optional else ""
    parser.add_argument("config", type=Path, nargs="?" if optional else None,
                        help=f"YAML file of the run{more}")  # fmt: skip


def _takes_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--genome", type=Path, metavar="FASTA", help="the genome, plain, bgzip or gzip")
    add("--regions", type=Path, metavar="BED", help="peaks or other regions; without it the genome "
        "is tiled")  # fmt: skip
    add("--model", type=Path, metavar="YAML", action="append", default=[], help="a model.yaml; "
        "may be given several times")  # fmt: skip
    add("--motifs", type=Path, metavar="MEME", help="motifs in MEME format")
    add("--run", default="my_run", help="name of the run; its products lie in results/<name>")
    add("-o", "--output", type=Path, default=Path("my.yaml"), help="the config (my.yaml)")


def _run(args: argparse.Namespace, options: list[str]) -> int:
    results = results_folder(args.config)
    command = snakemake_command(args.config, options, args.profile, args.verbose)
    dry = bool({"-n", "--dry-run", "--dryrun"} & set(options))
    if not dry:
        free(results, _say)
    code = call(command)
    if not dry:
        for line in closing(results, code):
            print(line)
    return code


def _init(args: argparse.Namespace, options: list[str]) -> int:
    from cisweep.cli.starting import write_config

    for line in write_config(args.output, args.run, args.genome, args.regions, args.model,
                             args.motifs):  # fmt: skip
        print(line)
    return 0


def _check(args: argparse.Namespace, options: list[str]) -> int:
    from cisweep.cli.checking import check
    from cisweep.cli.examining import check_model, is_model, options_given

    keys = {"module": args.module, "window_bp": args.window_bp,
            "trust_pickle": args.trust_pickle or None}  # fmt: skip
    if is_model(args.config):
        for line in check_model(args.config, keys):
            print(line)
        return 0
    if options_given(keys):
        raise ConfigError(
            f"{', '.join(options_given(keys))} is of a model, and this is the config of a run",
            where=str(args.config),
            mend="write it into the model.yaml",
        )

    results_folder(args.config)
    found = check(args.config)
    for line in found.lines:
        print(line)
    if not found.faults:
        return call(snakemake_command(args.config, ["--dry-run", "--quiet", "host"]))
    print(f"cisweep: {len(found.faults)} fault(s):", file=sys.stderr)
    for fault in found.faults:
        print(f"  - {fault}", file=sys.stderr)
    return 1


def _estimate(args: argparse.Namespace, options: list[str]) -> int:
    from cisweep.cli.estimating import estimate

    results_folder(args.config)
    for line in estimate(args.config):
        print(line)
    return 0


def _report(args: argparse.Namespace, options: list[str]) -> int:
    results = results_folder(args.config)
    if args.remake:
        args.hands_on = True
        return _run(args, [str(results / "report.html"), "--forcerun", "report_page"])
    print(page_of(results))
    return 0


def _unlock(args: argparse.Namespace, options: list[str]) -> int:
    results = results_folder(args.config)
    if not free(results, _say, force=args.force, cancel=args.cancel):
        print(f"{results} is not locked")
    return 0


def _say(text: str) -> None:
    print(f"cisweep: {text}", file=sys.stderr)
