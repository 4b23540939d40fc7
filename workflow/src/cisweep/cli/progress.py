"""What a run shows in the terminal: a line a step, what fails once, and nothing else.

The handler of Snakemake's logger plugin `cisweep` (`snakemake --logger cisweep`): the package
snakemake_logger_plugin_cisweep hands it on. Snakemake's own words are in its log file.
"""

import contextlib
import logging
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

EVERY_SECONDS = 30
"""Where the lines go to a file, the state of a step that goes on is told this often."""
_CLEAR = "\r\x1b[K"
_MINE = re.compile(r"cisweep: .*", re.DOTALL)
_NOISE = re.compile(
    r"Exiting because|At least one job did not|Shutting down|Removing output files"
    r"|returned non-zero exit status|Trying to restart|Complete log|Will exit after"
    r"|Terminating processes|Logfile |Cannot restore .* no backup found"
)


@dataclass
class StepState:
    """The jobs of one step: how many there are, how many are done, since when."""

    name: str
    total: int = 0
    done: int = 0
    running: set[int] = field(default_factory=set)
    first: float | None = None
    last: float = 0.0

    def left_seconds(self) -> float | None:
        """Return how long the rest takes at the rate so far, or None before the first job."""
        if not self.done or self.first is None:
            return None
        return (self.total - self.done) * max(self.last - self.first, 0.0) / self.done

    def line(self) -> str:
        """Return the step's progress: jobs, rate and time left, or how long it took."""
        jobs = "1 job" if self.total == 1 else f"{self.total} jobs"
        took = self.last - (self.last if self.first is None else self.first)
        if self.done >= self.total:
            rate = f", {_rate(self.total, took)}" if self.total > 1 and took > 0 else ""
            return f"{self.name:<12} done    {jobs} in {duration(took)}{rate}"
        rate = f", {_rate(self.done, took)}" if self.done and took > 0 else ""
        left = self.left_seconds()
        rest = "" if left is None else f", {duration(left)} left"
        return f"{self.name:<12} {self.done} of {jobs}{rate}{rest}"


class Progress:
    """Keeps the state of all steps from Snakemake's events, and says what is new."""

    def __init__(self) -> None:
        self.steps: dict[str, StepState] = {}
        self._of: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._failed: set[int] = set()
        self._told: set[str] = set()

    def totals(self, jobs: dict[str, int]) -> None:
        """Take rule -> number of jobs of the run."""
        for rule, n in sorted(jobs.items(), key=lambda item: _rank(item[0])):
            if rule not in ("total", "all", "cisweep"):
                self._step(rule).total += n

    def started(self, jobid: int, rule: str, at: float, wildcards: Sequence[str] = ()) -> None:
        """Take that a job of a rule begins, or goes to the queue, at a time (seconds)."""
        self._of[jobid], self._names[jobid] = rule, " ".join([rule, *wildcards])
        step = self._state(jobid)
        if step is not None:
            step.first = at if step.first is None else step.first
            step.running.add(jobid)

    def finished(self, jobid: int, at: float) -> StepState | None:
        """Take that a job ended at a time (seconds); return its step."""
        step = self._state(jobid)
        if step is not None:
            step.running.discard(jobid)
            step.done += 1
            step.last = at
            # With --forcerun and checkpoints there may be more than were counted.
            step.total = max(step.total, step.done)
        return step

    def failed(self, jobid: int) -> bool:
        """Take that a job failed; is it told for the first time?"""
        step = self._state(jobid)
        if step is not None:
            step.running.discard(jobid)
        first = jobid not in self._failed
        self._failed.add(jobid)
        return first

    def name(self, jobid: int, rule: str) -> str:
        """Return a job's rule and wildcards."""
        return self._names.get(jobid, rule)

    def is_new(self, text: str) -> bool:
        """Was this not said before?"""
        new = text not in self._told
        self._told.add(text)
        return new

    def status(self) -> str:
        """Return the steps that are at work, in one line, behind the jobs of the run."""
        done, total = (sum(getattr(s, k) for s in self.steps.values()) for k in ("done", "total"))
        at_work = [" ".join(s.line().split()) for s in self.steps.values() if s.running]
        return f"[{done}/{total}] " + "; ".join(at_work)

    def _state(self, jobid: int) -> StepState | None:
        rule = self._of.get(jobid)
        return None if rule in (None, "all", "cisweep") else self._step(rule)

    def _step(self, rule: str) -> StepState:
        from cisweep.steps import step_of

        step = step_of(rule)
        name = rule if step is None else step.name
        return self.steps.setdefault(name, StepState(name))


class LogHandler(LogHandlerBase):
    """Writes the lines of `Progress` to the terminal; on a terminal the last one moves."""

    stream: TextIO
    progress: Progress

    def __post_init__(self) -> None:
        self.stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.progress = Progress()
        self._here: set[int] = set()
        self._moving = False
        self._last_status = time.monotonic()

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a record of Snakemake says, if it is one that a user wants to see."""
        try:
            self._take(record)
        except BrokenPipeError:
            raise
        except Exception:  # a fault here must not end a run
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        event, data = getattr(record, "event", None), record.__dict__
        if event == LogEvent.RUN_INFO:
            self._run_info(data)
        elif event == LogEvent.JOB_INFO:
            wildcards = [str(value) for value in dict(data["wildcards"] or {}).values()]
            self.progress.started(data["jobid"], data["rule_name"], record.created, wildcards)
            if data.get("local", True):
                self._here.add(data["jobid"])
        elif event == LogEvent.JOB_FINISHED:
            self._finished(data["job_id"], record.created)
        elif event == LogEvent.JOB_ERROR:
            self._failed(data)
        elif event == LogEvent.GROUP_ERROR:
            for job in data["job_error_info"]:
                self._failed(job)
        elif event is None or event == LogEvent.ERROR:
            self._words(record)
        self._status()

    def _run_info(self, data: dict[str, Any]) -> None:
        # At the end of a dry run the numbers come again.
        if not self.progress.steps:
            self.progress.totals(dict(data["stats"]))
            total = sum(step.total for step in self.progress.steps.values())
            names = ", ".join(f"{s.name} {s.total}" for s in self.progress.steps.values())
            self._say(f"{total} job{'' if total == 1 else 's'} to run: {names}")

    def _finished(self, jobid: int, at: float) -> None:
        step = self.progress.finished(jobid, at)
        if step is not None and step.done >= step.total:
            self._say(step.line())

    def _failed(self, data: dict[str, Any]) -> None:
        if not self.progress.failed(data["jobid"]):
            return
        logs = ", ".join(map(str, data.get("log") or ()))
        where = f"; its log: {logs}" if logs else ""
        self._say(f"failed: {self.progress.name(data['jobid'], data['rule_name'])}{where}")
        # A job of this machine has said why on this terminal; one of a cluster only in its log.
        why = "" if data["jobid"] in self._here else _last_line(data.get("log") or ())
        if why and self.progress.is_new(why):
            self._say(f"  {why}")

    def _words(self, record: logging.LogRecord) -> None:
        """Show what the workflow itself says, and errors and warnings of Snakemake."""
        text = record.getMessage() if record.msg else ""
        mine = _MINE.search(text)
        if mine is None and (record.levelno < logging.WARNING or _NOISE.search(text)):
            nothing = "Nothing to be done" in text
            if not nothing:
                return
            text = "nothing to be done: all products are there"
        text = text if mine is None else mine[0]
        if text.strip() and self.progress.is_new(text):
            self._say(text.rstrip())

    def _status(self) -> None:
        """Show which steps are at work: below all lines of a terminal, else now and then."""
        if not any(step.running for step in self.progress.steps.values()):
            return
        text = self.progress.status()
        if self._on_terminal():
            width = shutil.get_terminal_size().columns
            self._write(_CLEAR + text[: width - 1])
            self._moving = True
        elif time.monotonic() - self._last_status >= EVERY_SECONDS:
            self._say(text)

    def _say(self, text: str) -> None:
        self._write((_CLEAR if self._moving else "") + text + "\n")
        self._moving, self._last_status = False, time.monotonic()

    def _on_terminal(self) -> bool:
        return bool(getattr(self.stream, "isatty", lambda: False)())

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def close(self) -> None:
        """Take the moving line away."""
        if self._moving:
            with contextlib.suppress(ValueError, OSError):
                self._write(_CLEAR)
            self._moving = False
        super().close()


def _last_line(logs: Sequence[str]) -> str:
    """Return the last line of a job's log, which says why it failed, without the error's kind."""
    for log in logs:
        try:
            lines = Path(log).read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            continue
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return re.sub(r"^cisweep\.errors\.\w+: ", "", last)
    return ""


def _rank(rule: str) -> int:
    """Return where a rule's step stands in a run; what belongs to none comes after them."""
    from cisweep.steps import all_steps, step_of

    step, names = step_of(rule), list(all_steps())
    if step is None:
        return -1 if rule == "prepare" else len(names)
    return names.index(step.name)


def _rate(n: int, seconds: float) -> str:
    a_second = n / seconds
    return f"{a_second:.1f} a second" if a_second >= 1 else f"{60 * a_second:.1f} a minute"


def duration(seconds: float) -> str:
    """Return a time as a reader wants it: 8 s, 2 min 5 s, 3 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
