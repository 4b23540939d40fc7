"""What stands at the top of the page, and in figures, where a model has many targets."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cisweep.plot import effects
from cisweep.report.blocks import Section
from cisweep.report.page import MOST_LINES, Chapter, Page, Part


def page(lines: dict[str, int], warnings: int, apart: bool) -> Page:
    """Return a page whose steps have so many lines each."""
    parts = []
    for name, n in lines.items():
        section = Section(headlines=[f"{name} {i}" for i in range(n)])
        section.warnings += [f"careful {i}" for i in range(warnings if name == "a" else 0)]
        parts.append(Part(name, name, section, [], apart=apart))
    chapters = [Chapter("m", "m", parts)]
    return Page("r", {}, chapters, SimpleNamespace(), {}, [])


def test_of_many_targets_each_step_keeps_its_first_lines():
    found = page({"a": 3, "b": 3, "c": 1, "d": 3, "e": 3}, 1, apart=True)
    lines = [line for _, line in found.headlines]
    assert len(lines) + len(found.warnings) == MOST_LINES
    assert lines == ["a 0", "a 1", "b 0", "b 1", "c 0", "d 0", "d 1", "e 0", "e 1"]


def test_of_few_targets_all_lines_stay():
    assert len(page({"a": 9, "b": 9}, 0, apart=False).headlines) == 18


@pytest.mark.parametrize("n_targets", [3, 40])
def test_a_figure_has_a_panel_of_a_dozen_targets_at_most(tmp_path, monkeypatch, n_targets):
    drawn = []
    monkeypatch.setattr(effects, "save_figure", lambda ax, path: drawn.append(ax.figure))
    names = np.repeat([f"t{i}" for i in range(n_targets)], 2)
    n = len(names)
    ranked = pd.DataFrame({
        "motif": "M", "name": "N", "target": names, "n": 5, "effect": 1.0, "ci_low": 0.5,
        "ci_high": 1.5, "rank": np.tile([1, 2], n // 2),
    })  # fmt: skip
    effects.ranked_figure(ranked, tmp_path / "r.svg")
    spaced = ranked.assign(
        motif_a="A", name_a="a", motif_b="B", name_b="b", orientation="++",
        distance_bp=np.tile([0, 5], n // 2),
    )  # fmt: skip
    effects.spacing_figure(spaced, tmp_path / "s.svg")
    titles = [[ax.get_title() for ax in figure.axes] for figure in drawn]
    assert [len(t) for t in titles] == [min(n_targets, effects.MANY_TARGETS)] * 2
    assert titles[0][:3] == ["t0", "t1", "t2"]
