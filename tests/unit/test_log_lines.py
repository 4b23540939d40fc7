"""Logs of jobs hold lines, and of a progress bar its end."""

import io
import re

from tqdm import tqdm

from cisweep import log_lines
from cisweep.log_lines import LogLines


def test_lines_stay_as_they_are():
    file = io.StringIO()
    with LogLines(file) as log:
        print("one", file=log)
        print("two", end="", file=log)
        print(" three\n\nfour", file=log)
        assert file.getvalue() == "one\ntwo three\n\nfour\n"
        print("no end", end="", file=log)
    assert file.getvalue().endswith("four\nno end\n") and not file.closed


def test_of_a_bar_the_end_is_kept(monkeypatch):
    file = io.StringIO()
    log = LogLines(file)
    for _ in tqdm(range(30), file=log, mininterval=0, desc="attribute"):
        pass
    assert "\r" not in file.getvalue()
    assert re.fullmatch(r"attribute: 100%\|.*\| 30/30 .*\n", file.getvalue())
    monkeypatch.setattr(log_lines, "EVERY_SECONDS", 0)
    for _ in tqdm(range(30), file=log, mininterval=0):
        pass
    assert file.getvalue().count("\n") > 20 and "\r" not in file.getvalue()
