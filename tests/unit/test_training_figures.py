"""Calibration of held-out rows, and the pages that show the worst of them."""

import re

import numpy as np
import pandas as pd
import pytest

from cisweep.plot.interactive import parity_page
from cisweep.plot.training import draw_loss, save_calibration, save_loss, save_parity
from cisweep.train.judging.calibration import calibration_rows


def labels(n=4000):
    """Rows whose labels are drawn with the probability that is predicted."""
    generator = np.random.default_rng(0)
    logit = generator.normal(0, 2, n)
    truth = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    names = [f"r{i}" for i in range(n)]
    return pd.DataFrame({"name": names, "a_observed": truth, "a_predicted": logit})


def test_calibrated_labels_lie_on_the_diagonal():
    table = labels()
    rows = calibration_rows(table, "multilabel")
    assert [r["bin"] for r in rows] == list(range(10)) and sum(r["n"] for r in rows) == 4000
    probability = 1 / (1 + np.exp(-table["a_predicted"]))
    for row in rows:
        inside = (probability >= row["bin"] / 10) & (probability < (row["bin"] + 1) / 10)
        assert row["n"] == inside.sum()
        assert row["observed"] == pytest.approx(table["a_observed"][inside].mean())
        assert abs(row["observed"] - row["predicted"]) < 4 * 0.5 / np.sqrt(row["n"])
    shifted = calibration_rows(table.assign(a_predicted=table["a_predicted"] + 2), "multilabel")
    # A logit that is 2 too high: the labels have the probability of the logit less 2.
    for row in shifted:
        truth = 1 / (1 + np.exp(2) * (1 / row["predicted"] - 1))
        assert abs(row["observed"] - truth) < 4 * 0.5 / np.sqrt(row["n"])


def test_values_are_binned_by_equal_numbers():
    generator = np.random.default_rng(1)
    guess = generator.normal(size=95)
    truth = np.where(np.arange(95) < 5, np.nan, 2 * guess)
    table = pd.DataFrame({"name": "", "y_observed": truth, "y_predicted": guess})
    rows = calibration_rows(table, "regression")
    assert [r["n"] for r in rows] == [9] * 10
    for row, part in zip(rows, np.sort(guess[5:]).reshape(10, 9)):
        assert row["predicted"] == pytest.approx(part.mean())
        assert row["observed"] == pytest.approx(2 * part.mean())


def test_classes_share_one_softmax():
    logits = np.log(np.array([[0.75, 0.15, 0.1], [0.25, 0.25, 0.5]]))
    table = pd.DataFrame({"name": ["x", "y"]})
    for c, name in enumerate("abc"):
        table[f"{name}_observed"] = [float(c == 0), float(c == 2)]
        table[f"{name}_predicted"] = logits[:, c] + 3
    rows = calibration_rows(table, "multiclass")
    assert {(r["task"], round(r["predicted"], 6)) for r in rows} == {
        ("a", 0.75), ("a", 0.25), ("b", 0.15), ("b", 0.25), ("c", 0.1), ("c", 0.5)
    }  # fmt: skip


def worst(page):
    return re.findall(r"<td>(r\d+)</td>", page)


def test_the_worst_labels_are_those_on_the_wrong_side():
    table = pd.DataFrame(
        {
            "name": ["r0", "r1", "r2", "r3"],
            "a_observed": [0.0, 0.0, 1.0, 1.0],
            # Far on the right side is no error, however large the number.
            "a_predicted": [-30.0, 1.0, -4.0, 9.0],
        }
    )
    assert worst(parity_page(table, ["a"], "t")) == ["r2", "r1", "r3", "r0"]


def test_the_worst_values_are_those_furthest_off():
    table = pd.DataFrame(
        {"name": ["r0", "r1", "r2"], "a_observed": [5.0, 1.0, 0.5], "a_predicted": [5.1, 3.0, 0.0]}
    )
    assert worst(parity_page(table, ["a"], "t", n_worst=2)) == ["r1", "r2"]


def test_points_stand_where_their_values_are_and_say_them():
    table = pd.DataFrame(
        {"name": ["low", "<b>", "high"], "a_observed": [0.5, 2.0, 4.5], "a_predicted": [1, 9.0, 5]}
    )
    page = parity_page(table, ["a"], "t")
    pattern = r'cx="([\d.]+)" cy="([\d.]+)" r="3" fill="(#\w+)"><title>(.*?): observed (.*?), pred'
    points = {name: (x, y, hue) for x, y, hue, name, _ in re.findall(pattern, page)}
    # 60 to 680 px for 0.5 to 4.5, 540 to 20 px for 1 to 9.
    assert points["low"][:2] == ("60.0", "540.0") and points["high"][:2] == ("680.0", "280.0")
    assert points["&lt;b&gt;"][:2] == ("292.5", "20.0")
    assert points["&lt;b&gt;"][2] != points["low"][2] == points["high"][2]
    assert list(points)[-1] == "&lt;b&gt;"  # the worst lies on top
    assert "<script" not in page and "http" not in page


def test_figures_are_the_same_bytes_again(tmp_path):
    rows = [{"fold": f} | r for f in (0, 1) for r in calibration_rows(labels(), "multilabel")]
    for name in ("one.svg", "two.svg"):
        save_calibration(rows, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    save_parity(labels(), tmp_path / "parity.svg")
    for end in (".svg", ".png", ".pdf"):
        assert (tmp_path / f"parity{end}").stat().st_size > 5000
    assert len(pd.read_csv(tmp_path / "parity.data.tsv", sep="\t")) > 60


def test_windows_beside_the_peaks_have_a_panel_of_their_own(tmp_path, monkeypatch):
    table = pd.DataFrame(
        {"peak": [True] * 30 + [False] * 20, "counts_observed": np.arange(50) / 10.0}
    ).assign(counts_predicted=lambda t: t["counts_observed"] / 2)
    titles = []
    monkeypatch.setattr(
        "cisweep.plot.curves.plot_parity",
        lambda truth, guess, ax, label: titles.append((label, len(truth))),
    )
    save_parity(table, tmp_path / "both.svg")
    save_parity(table[table["peak"]], tmp_path / "peaks.svg")
    assert titles == [("counts of peaks", 30), ("counts with negatives", 50), ("counts", 30)]


def test_losses_and_metrics_of_trainings(tmp_path):
    def history(metric, n=4):
        return [
            {"epoch": e, "train_loss": 1 / e, "validation_loss": 2 / e, metric: e / 10,
             f"{metric}_low": e / 10 - 0.05, f"{metric}_high": e / 10 + 0.02}
            for e in range(1, n + 1)
        ]  # fmt: skip

    histories = {"a": history("validation_auprc"), "b": history("validation_pearson", 3)}
    losses, auprc, pearson = draw_loss(histories)
    assert len(losses.lines) == 4
    assert [len(ax.lines) for ax in (auprc, pearson)] == [1, 1]
    np.testing.assert_allclose(auprc.lines[0].get_ydata(), [0.1, 0.2, 0.3, 0.4])
    (band,) = pearson.collections
    assert band.get_datalim(pearson.transData).y0 == pytest.approx(0.05)
    assert pearson.get_ylabel() == "validation pearson, 95 % interval"
    old = {"a": [{"epoch": 1, "train_loss": 1.0, "validation_loss": 2.0}] * 2}
    assert len(draw_loss(old)) == 1
    save_loss(histories, tmp_path / "loss.svg")
    assert (tmp_path / "loss.svg").stat().st_size > 2000
