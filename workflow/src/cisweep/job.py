"""The adapter between Snakemake and a script: log, origin, device, atomic products, reuse.

A script opens it first and knows nothing else of Snakemake; what the rule does is a function of
cisweep.jobs:

    with Job(snakemake) as job, job.outputs("h5", "summary") as (h5, summary):
        attribute(job.of_model, job.inputs("chunks"), h5, summary)

It imports torch only when a device is asked for, so gathers stay light.
"""

import contextlib
import faulthandler
import hashlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cisweep.collector  # noqa: F401  # before what takes long to import
from cisweep import __version__, driver
from cisweep.config.model import model_sha256
from cisweep.contracts import FIGURE_COPIES
from cisweep.engine import policy as fast_path
from cisweep.errors import CisweepError, ConfigError, ModelError, ProductError
from cisweep.gpu_lock import free_gpu
from cisweep.log_lines import LogLines
from cisweep.origin import (
    Origin,
    check_one_origin,
    checked_origin,
    is_whole,
    key_path,
    note_path,
    sha256_of,
    write_origin,
)
from cisweep.parts import read_json
from cisweep.plan.contents import step_plan
from cisweep.plan.plan import Plan
from cisweep.scope import ChunkScope, ModelScope, RunScope, TargetScope
from cisweep.steps import step_of
from cisweep.temporary import atomic, temporary_path

REUSE_MAX_BYTES = 64 << 20
"""Larger inputs are told apart by size and time of change instead of by their bytes."""


class _Ids(dict[str, str]):
    """What a job is about: names of wildcards -> their values."""

    def __getattr__(self, name: str) -> str:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Job:
    """One job of the workflow, from its log to its products."""

    def __init__(self, snakemake: Any):
        self.params = snakemake.params
        self.input = snakemake.input
        self.output = snakemake.output
        self.wildcards = _Ids(snakemake.wildcards.items())
        # Jobs of several targets have no wildcards: their products are named one by one.
        if model := getattr(snakemake.params, "model", None):
            self.wildcards["model"] = model
        self.threads = int(snakemake.threads)
        self.rule = snakemake.rule
        self._config = snakemake.config
        self._log = str(snakemake.log[0]) if len(snakemake.log) else None
        self._started = time.monotonic()
        self._stamps = self._weight_stamps()
        self._last: list[str] = []
        self._origins: dict[str, Origin] = {}

    # ---- life ----------------------------------------------------------------------------

    def __enter__(self) -> "Job":
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
            os.environ[name] = str(self.threads)
        if self._log:
            Path(self._log).parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(self._log, "w", buffering=1)
            self._redirect = contextlib.ExitStack()
            lines = self._redirect.enter_context(contextlib.closing(LogLines(self._stream)))
            self._redirect.enter_context(contextlib.redirect_stdout(lines))
            self._redirect.enter_context(contextlib.redirect_stderr(lines))
            # Where a library ends the process, the log says in which line.
            faulthandler.enable(self._stream)
        self._lines = logging.StreamHandler(sys.stdout)
        logging.getLogger("cisweep").addHandler(self._lines)
        fast_path.forget_reasons()
        self.say(f"cisweep {__version__}, rule {self.rule}, {dict(self.wildcards)}")
        self._before = _end_by_exception()
        try:
            self._check_inputs()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, error, trace) -> bool:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        seconds = time.monotonic() - self._started
        self.say(f"{'failed' if error else 'done'} after {seconds:.1f} s")
        logging.getLogger("cisweep").removeHandler(self._lines)
        for line in [] if error else [*self._last, *self._weaknesses()]:
            self.say(f"warning: {line}")
        if self._log:
            if error is not None:
                import traceback

                traceback.print_exception(kind, error, trace)
            faulthandler.enable(sys.__stderr__)
            self._redirect.close()
            self._stream.close()
        if isinstance(error, Exception) and self._log:
            # The user reads one line, the log has the rest.
            text = " ".join(str(error).split())
            if not isinstance(error, CisweepError):
                text = f"{type(error).__name__}: {text}. Mend: report it with {self._log}"
            print(f"cisweep: {self.rule}: {text}", file=sys.stderr)
            sys.stderr.flush()
            raise SystemExit(1)
        return False

    def say(self, text: str) -> None:
        """Write one line to the job's log."""
        print(text, flush=True)

    def warn(self, *lines: str) -> None:
        """Write lines to the end of the job's log, where they are seen."""
        self._last += lines

    def _weaknesses(self) -> list[str]:
        """Return what is known against the models that the job's results rest on."""
        # A training tells its own; jobs without a plan read no model.
        step = step_of(self.rule)
        if (step is not None and step.makes_weights) or "plan" not in self.__dict__:
            return []
        mine = dict(self.wildcards)
        target = mine.get("target")
        return [
            f"model {name}: {line}"
            for name, config in self.plan.models.items()
            if mine.get("model") in (None, name)
            for line in config.weaknesses(target and config.named(target))
        ]

    # ---- what it works on ----------------------------------------------------------------

    @cached_property
    def plan(self) -> Plan:
        """The plan of the run, made again from the config."""
        return Plan.from_config(self._config, Path(self.params.root))

    @property
    def of_run(self) -> RunScope:
        """What a job of the whole run is about."""
        return RunScope(**self._of())

    @property
    def of_model(self) -> ModelScope:
        """What a job of one model is about."""
        return ModelScope(**self._of("model"))

    @property
    def of_chunk(self) -> ChunkScope:
        """What a job of one chunk of a model is about."""
        return ChunkScope(**self._of("model", "chunk"))

    def of_chunk_of(self, step: str) -> ChunkScope:
        """What a job of one chunk is about whose step joins chunks: its plan has those."""
        return replace(self.of_chunk, plan=step_plan(self.plan, step))

    @property
    def of_target(self) -> TargetScope:
        """What a job of one target of a model is about."""
        target = self.plan.models[self.wildcards.model].named(self.wildcards.target)
        return TargetScope(**self._of("model"), target=target)

    def _of(self, *ids: str) -> dict[str, Any]:
        """Return the fields of a scope; ids: the wildcards that it names."""
        named = {name: getattr(self.wildcards, name) for name in ids}
        if "model" in ids and (step := step_of(self.rule)) is not None:
            named["step"] = step.name
        return {"plan": self.plan, "origin": self.provenance(), "threads": self.threads, **named}

    # ---- products ------------------------------------------------------------------------

    def provenance(self) -> dict[str, Any]:
        """Return what every product says of its origin; nothing in it depends on chunks."""
        return {
            "cisweep_version": __version__,
            "settings": str(getattr(self.params, "settings", "")),
            "model_sha256": self._prepared.get("model_sha256", ""),
            "seed": int(self._config.get("seed", 0)),
        }

    @cached_property
    def _prepared(self) -> dict[str, Any]:
        """What prepare noted of the job's model; nothing for a product that joins several."""
        paths = self.inputs("prepared")
        return read_json(paths[0]) if len(paths) == 1 else {}

    def product(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """Return `written` for output `name`."""
        return self.written(Path(str(getattr(self.output, name))))

    @contextlib.contextmanager
    def outputs(self, *names: str) -> Iterator[list[Path]]:
        """Yield temporary paths of several outputs; they take their names in this order."""
        with contextlib.ExitStack() as stack:
            # Whatever is entered last is left first.
            paths = [stack.enter_context(self.product(name)) for name in reversed(names)]
            yield paths[::-1]

    @contextlib.contextmanager
    def listed(self, name: str, without_note: Collection[str] = ()) -> Iterator[dict[str, Path]]:
        """Yield file name -> temporary path of an output that is a list, in its order.

        without_note: file names that get no note of their origin, since a user may edit them.
        """
        with contextlib.ExitStack() as stack:
            found = {}
            for final in reversed(_paths(getattr(self.output, name))):
                own = final.name in without_note
                found[final.name] = stack.enter_context(
                    atomic(final) if own else self.written(final)
                )
            yield dict(reversed(found.items()))

    @contextlib.contextmanager
    def all_listed(self, *names: str) -> Iterator[list[tuple[str, *tuple[Path, ...]]]]:
        """Yield (file name of the first, temporary path of each) of outputs that are lists of the
        same things, in their order."""
        with contextlib.ExitStack() as stack:
            found = [stack.enter_context(self.listed(name)) for name in names]
            yield [(first, *paths) for first, *paths in zip(found[0], *(f.values() for f in found))]

    @contextlib.contextmanager
    def written(self, final: Path) -> Iterator[Path]:
        """Yield a temporary path beside output `final`; it takes the name once complete.

        Copies of a figure, outputs of the same name with another ending, are expected beside it. A
        note of its origin goes beside each. Raises ProductError if the inputs are of two origins,
        ModelError if the weights were replaced since they were prepared.
        """
        with contextlib.ExitStack() as stack:
            if final.suffix == ".svg":
                # Of a rule that declares no copies nothing is left.
                beside = temporary_path(final)
                stack.callback(lambda: [beside.with_suffix(e).unlink(True) for e in FIGURE_COPIES])
            for copy in self._copies(final):
                stack.enter_context(self._written(copy))
            yield stack.enter_context(self._written(final))

    def _copies(self, final: Path) -> list[Path]:
        """Return the outputs that are copies of a figure: name.png of name.svg."""
        if final.suffix != ".svg":
            return []
        outputs = (Path(str(path)) for path in self.output)
        return [p for p in outputs if p in [final.with_suffix(end) for end in FIGURE_COPIES]]

    @contextlib.contextmanager
    def _written(self, final: Path) -> Iterator[Path]:
        with atomic(final) as temporary:
            yield temporary
            models = self.models
            if self._weight_stamps() != self._stamps:
                raise self._replaced()
            settings = str(getattr(self.params, "settings", ""))
            model = getattr(self.wildcards, "model", "")
            of = (self.rule, model, settings, models, self.fast_path())
            write_origin(final, *of, written=temporary)

    # ---- origin --------------------------------------------------------------------------

    @cached_property
    def models(self) -> dict[str, str]:
        """Id -> SHA-256 of the weights of all models that this job or its inputs have read."""
        inputs = check_one_origin((Path(p), origin) for p, origin in self._origins.items())
        own = self._own_models() if self._stamps else {}
        for model, sha256 in own.items():
            if inputs.get(model, sha256) != sha256:
                raise self._replaced()
        return inputs | own

    def fast_path(self) -> set[str]:
        """Return why a fast path was off, here or in the jobs that made the inputs."""
        before = (line for origin in self._origins.values() for line in origin.fast_path)
        return {*before, *fast_path.reasons()}

    def _read_by_the_run(self) -> list[str]:
        """Return the ids of the models that jobs without a model of their own read."""
        steps = self.plan.steps.items()
        found = (step.run_models(self.plan.step_config(name)) for name, step in steps)
        return [model for models in found for model in models]

    def _own_models(self) -> dict[str, str]:
        """Return id -> hash of the weights that this job loads, taken from their bytes."""
        one = getattr(self.wildcards, "model", None)
        ids = [one] if one is not None else self._read_by_the_run()
        commits = self._prepared.get("commits", {})
        # A training's folds are inputs of that name too, and no model of the run yet.
        given = {path for path, *_ in self._stamps}
        known = {m: self.plan.models[m] for m in ids if m in self.plan.models}
        read = {m: c for m, c in known.items() if given.issuperset(map(str, c.watched_files()))}
        return {m: model_sha256(config, commits)[0] for m, config in read.items()}

    def _weight_stamps(self) -> list[tuple[str, int, int, int]]:
        """Return what changes of a weights file when it is replaced or written to."""
        found = []
        for path in map(str, getattr(self.input, "weights", None) or ()):
            stat = os.stat(path) if os.path.exists(path) else None
            if stat is not None:
                found.append((path, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found

    def _replaced(self) -> ModelError:
        return ModelError(
            "the weights were replaced while the workflow was running",
            where=", ".join(path for path, *_ in self._stamps),
            mend="run the workflow again: what was made with the old ones is made again",
        )

    def _check_inputs(self) -> None:
        """Keep the notes of the inputs that are products, by path; raise ProductError if one of
        them has not the bytes that the job before wrote.

        All inputs, whoever reads them how. Those that the run itself can make again are told to
        the driver, which plans them anew.
        """
        damaged = []
        for path in (Path(str(path)) for path in self.input):
            try:
                origin = checked_origin(path) if path.is_file() else None
            except ProductError:
                damaged.append(path)
            else:
                self._origins |= {} if origin is None else {str(path): origin}
        if not damaged:
            return
        own = [path for path in damaged if driver.is_made_here(self._results, path)]
        if own:
            driver.tell_damaged(self._results, own)
        shown = ", ".join(map(str, damaged[:3]))
        more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
        if own == damaged:
            mend = "it is removed; this run, or the next, makes it again"
        else:
            notes = ", ".join(str(note_path(path)) for path in damaged if path not in own)
            mend = (
                "delete it and run the workflow again, or, if you changed it on purpose, "
                f"delete {notes}"
            )
        raise ProductError(
            "its bytes are not those that were written", where=f"{shown}{more}", mend=mend
        )

    @property
    def _results(self) -> Path:
        return Path("results", str(self._config.get("run")))

    def inputs(self, name: str) -> list[Path]:
        """Return the paths of input `name`, one or many; all were found to be whole."""
        return _paths(getattr(self.input, name, None) or ())

    def given(self, name: str) -> Path:
        """Return the path of input `name`, which is one file."""
        return self.inputs(name)[0]

    def given_or_none(self, name: str) -> Path | None:
        """Return the path of input `name`, or None where the rule has none here."""
        return next(iter(self.inputs(name)), None)

    # ---- reuse ---------------------------------------------------------------------------

    def _reuse_key(self, parts: tuple[object, ...], leave_out: tuple[str, ...]) -> str:
        sha = hashlib.sha256(repr((__version__, *parts)).encode())
        for key, value in sorted(self.params.items()):
            sha.update(f"{key}={value};".encode())
        ignored = {str(p) for name in leave_out for p in self.inputs(name)}
        for path in map(str, self.input):
            if path not in ignored:
                sha.update(f"{path}:{_content(Path(path))};".encode())
        return sha.hexdigest()

    @contextlib.contextmanager
    def reuse(self, *parts: object, leave_out: tuple[str, ...] = ()) -> Iterator[bool]:
        """Yield True if the outputs stand and were made from the same input bytes and params.

        For rules whose outputs are flagged `update`, so that Snakemake leaves them there: behind
        a merge it reruns every job whose input was written again, even with equal bytes. `parts`:
        what else the result depends on; `leave_out`: inputs of which only `parts` matter.
        """
        key = self._reuse_key(parts, leave_out)
        outputs = [Path(str(p)) for p in self.output]
        notes = [key_path(p) for p in outputs]
        stand = all(
            p.is_file() and n.is_file() and n.read_bytes() == f"{key} {p.stat().st_size}".encode()
            for p, n in zip(outputs, notes)
        )
        damaged = [p for p in outputs if stand and not is_whole(p)]
        for path in damaged:
            self.say(f"{path}: its bytes are not those that were written; it is made again")
        if stand and not damaged:
            self.say("unchanged: inputs and parameters are those of the existing product")
            yield True
            return
        for note in notes:
            note.unlink(missing_ok=True)
        yield False
        for path, note in zip(outputs, notes):
            note.write_text(f"{key} {path.stat().st_size}")

    # ---- devices -------------------------------------------------------------------------

    @contextlib.contextmanager
    def device(
        self, *, tf32: bool = False, torch_threads: int = 1, needed: bool = True
    ) -> Iterator[str]:
        """Yield the torch device of the config, its precision and threads set.

        `cuda` takes a GPU that no other job of this machine holds, by a lock file; a missing GPU
        is an error, never the CPU. A job that has nothing to compute (not `needed`) takes none,
        and does not load torch.
        """
        if not needed:
            yield "cpu"
            return
        import torch

        # With more than one, a row's last bits depend on how a product was split among them, and
        # threads would decide bytes. Jobs side by side use the cores better anyway.
        torch.set_num_threads(torch_threads)
        config = self.plan.config
        # use_deterministic_algorithms would load torch's compiler first, seconds for each job.
        torch.set_deterministic_debug_mode("error" if config.deterministic else "default")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        if config.device == "cpu":
            yield "cpu"
            return
        if not torch.cuda.is_available():
            raise ConfigError(
                f"device is {config.device!r} but torch {torch.__version__} sees no GPU",
                where="device",
                mend="set device: cpu, or install a CUDA build of torch on a machine with a GPU",
            )
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if ":" in config.device:
            yield config.device
            return
        with free_gpu(torch.cuda.device_count()) as index:
            self.say(f"device cuda:{index}")
            yield f"cuda:{index}"


def _end_by_exception() -> Any:
    """Let SIGTERM (scancel, a time limit) end the job as an exception would, which removes what is
    half written. Returns the handler before; None where this is not the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    return signal.signal(signal.SIGTERM, end)


def _paths(value: Any) -> list[Path]:
    """Return the paths of one of Snakemake's files, or of a list of them."""
    return [Path(str(p)) for p in ([value] if isinstance(value, str) else value)]


def _content(path: Path) -> str:
    if not path.is_file():
        return "none"
    stat = path.stat()
    if stat.st_size > REUSE_MAX_BYTES:
        return f"{stat.st_size}:{stat.st_mtime_ns}"
    return sha256_of(path)
