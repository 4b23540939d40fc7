"""What a run shows in the terminal, from Snakemake's events."""

import io
import logging
import subprocess
import sys
from dataclasses import dataclass

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from cisweep.cli import progress
from cisweep.cli.progress import LogHandler, duration


@dataclass
class Settings:
    """What Snakemake says of its output."""

    stdout: bool = False


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def handler() -> LogHandler:
    made = LogHandler(Settings(), None)
    made.stream = io.StringIO()
    return made


def tell(handler, event=None, at=0.0, text="", level=logging.INFO, **data) -> str:
    """Give a record to the handler; return what it shows then."""
    record = logging.LogRecord("snakemake", level, "", 0, text or None, None, None)
    record.__dict__.update(event=event, created=at, **data)
    before = len(handler.stream.getvalue())
    handler.handle(record)
    return handler.stream.getvalue()[before:]


def begin(handler) -> str:
    stats = {"predict_chunk": 3, "predict": 1, "prepare": 1, "all": 1, "total": 6}
    return tell(handler, LogEvent.RUN_INFO, stats=stats)


def start(handler, jobid, rule, at, wildcards=None, local=True) -> str:
    data = {"jobid": jobid, "rule_name": rule, "wildcards": wildcards, "local": local}
    return tell(handler, LogEvent.JOB_INFO, at, **data)


def end(handler, jobid, at) -> str:
    return tell(handler, LogEvent.JOB_FINISHED, at, job_id=jobid)


def test_snakemake_finds_the_plugin():
    plugins = LoggerPluginRegistry()
    assert plugins.is_installed("cisweep")
    assert plugins.get_plugin("cisweep").log_handler is LogHandler


def test_it_costs_a_job_little():
    """Every job's Snakemake imports all plugins that it finds."""
    code = "import sys, snakemake_logger_plugin_cisweep; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pandas", "pydantic"} & set(done.stdout.split())


def test_a_line_a_step(handler):
    assert begin(handler) == "5 jobs to run: prepare 1, predict 4\n"
    assert begin(handler) == ""  # Snakemake tells it twice
    start(handler, 1, "prepare", 100.0)
    assert end(handler, 1, 108.0) == "prepare      done    1 job in 8 s\n"
    for i, jobid in enumerate((2, 3, 4)):
        start(handler, jobid, "predict_chunk", 110.0 + i)
        assert end(handler, jobid, 120.0 + 10 * i) == ""
    start(handler, 5, "predict", 141.0)
    assert end(handler, 5, 235.0) == "predict      done    4 jobs in 2 min 5 s, 1.9 a minute\n"
    start(handler, 0, "all", 236.0)
    assert end(handler, 0, 236.0) == ""


def test_a_step_that_goes_on_is_told_now_and_then(handler, monkeypatch):
    begin(handler)
    start(handler, 2, "predict_chunk", 0.0)
    start(handler, 3, "predict_chunk", 0.0)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0)
    # One of four in 2 s: three are left.
    assert end(handler, 2, 2.0) == "[1/5] predict 1 of 4 jobs, 30.0 a minute, 6 s left\n"


def test_on_a_terminal_the_state_is_the_last_line(handler):
    begin(handler)
    handler.stream = Terminal()
    assert start(handler, 1, "prepare", 0.0) == "\r\x1b[K[0/5] prepare 0 of 1 job"
    assert end(handler, 1, 1.0) == "\r\x1b[Kprepare      done    1 job in 1 s\n"
    start(handler, 2, "predict_chunk", 0.0)
    before = len(handler.stream.getvalue())
    handler.close()
    assert handler.stream.getvalue()[before:] == "\r\x1b[K"


def test_a_failure_is_told_once(handler):
    begin(handler)
    start(handler, 2, "predict_chunk", 0.0, {"model": "m", "chunk": "c000001"})
    error = {"jobid": 2, "rule_name": "predict_chunk", "log": ["results/x/logs/a.log"]}
    told = tell(handler, LogEvent.JOB_ERROR, level=logging.ERROR, **error)
    assert told == "failed: predict_chunk m c000001; its log: results/x/logs/a.log\n"
    assert tell(handler, LogEvent.JOB_ERROR, level=logging.ERROR, **error) == ""
    assert tell(handler, LogEvent.GROUP_ERROR, job_error_info=[error | {"jobid": 3}]) == (
        "failed: predict_chunk; its log: results/x/logs/a.log\n"
    )
    for text in (
        "RuleException:\nCalledProcessError in file x.smk:\nCommand 'y' returned non-zero exit "
        "status 1.",
        "Exiting because a job execution failed. Look below for error messages",
        "Complete log(s): /x/y.log",
        "Cannot restore results/x/a.h5: no backup found.",
    ):
        assert tell(handler, text=text, level=logging.ERROR) == ""


def test_of_a_job_elsewhere_the_log_says_why(handler, tmp_path):
    log = tmp_path / "a.log"
    log.write_text(
        "done\nTraceback\ncisweep.errors.ModelError: m.pt: it is cut off. Mend: copy\n\n"
    )
    for jobid, local in ((2, False), (3, False), (4, True)):
        start(handler, jobid, "predict_chunk", 0.0, local=local)
    error = {"rule_name": "predict_chunk", "log": [str(log)]}
    failed = f"failed: predict_chunk; its log: {log}\n"
    tell_failed = lambda jobid: tell(handler, LogEvent.JOB_ERROR, jobid=jobid, **error)  # noqa: E731
    assert tell_failed(2) == f"{failed}  m.pt: it is cut off. Mend: copy\n"
    assert tell_failed(3) == failed  # the same reason is told once
    log.unlink()
    assert tell_failed(4) == failed


def test_words_of_the_workflow_and_faults_are_shown_once(handler):
    fault = "WorkflowError in file common.smk, line 29:\ncisweep: models.m: no such file"
    shown = "cisweep: models.m: no such file\n"
    assert tell(handler, LogEvent.ERROR, text=fault, level=logging.ERROR) == shown
    assert tell(handler, LogEvent.ERROR, text=fault, level=logging.ERROR) == ""
    assert tell(handler, text="cisweep: chunk_bp 500,000 is chosen", level=logging.WARNING) == (
        "cisweep: chunk_bp 500,000 is chosen\n"
    )
    assert tell(handler, text="Building DAG of jobs...") == ""
    assert tell(handler, text="Directory cannot be locked.", level=logging.ERROR) == (
        "Directory cannot be locked.\n"
    )
    assert tell(handler, text="Nothing to be done (all requested files are present).") == (
        "nothing to be done: all products are there\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (11400, "3 h 10 min")],
)
def test_times(seconds, text):
    assert duration(seconds) == text
