"""Figures with tangermeme's names: their signatures, and what stands where in both."""

import inspect
import re
import sys
from html import unescape
from types import ModuleType, SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import PatchCollection, PathCollection
from matplotlib.colors import to_rgba
from torch import nn

from cisweep import plot
from cisweep.analysis import deep_lift_shap, saliency
from cisweep.errors import SequenceError

peer = pytest.importorskip("tangermeme.plot")

NAMES = ("plot_attributions", "plot_categorical_scatter", "interactive_logo")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", NAMES)
def test_a_claimed_name_has_the_peers_arguments(name):
    ours, theirs = (inspect.signature(getattr(room, name)).parameters for room in (plot, peer))
    assert list(ours) == list(theirs)
    for key, parameter in theirs.items():
        mine, default = ours[key].default, parameter.default
        if key == "func":  # what draws does not import what computes
            assert mine == f"cisweep.analysis:{default.__name__}"
        else:
            assert (list(mine) == default) if key == "alphabet" else (mine == default), key


def values(n: int = 60, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    X = torch.zeros(4, n)
    X[torch.from_numpy(rng.integers(0, 4, n)), torch.arange(n)] = torch.from_numpy(
        rng.normal(size=n)
    ).float()
    return X


def points(ax) -> list[tuple]:
    """Return sorted (x, y, color) of all points."""
    return sorted(
        (round(float(x), 6), round(float(y), 6), tuple(np.round(found.get_facecolors()[0], 2)))
        for found in ax.collections
        for x, y in found.get_offsets()
    )


def test_a_point_is_the_sum_of_a_position_in_the_color_of_its_largest_letter():
    X = values()
    X[:, 7] = torch.tensor([0.5, -2.0, 0.5, 0.25])
    ours, theirs = (plt.figure().add_subplot() for _ in range(2))
    assert plot.plot_categorical_scatter(X, ax=ours, s=4, alpha=0.5) is ours
    peer.plot_categorical_scatter(X, ax=theirs, s=4, alpha=0.5)
    found = points(ours)
    wanted = [(x, y) for x, y, _ in points(theirs)]
    assert len(found) == 60
    np.testing.assert_allclose([(x, y) for x, y, _ in found], wanted, atol=1e-5)
    for x, y, color in found:
        column = X[:, int(x)].numpy()
        letter = "ACGT"[np.abs(column).argmax()]
        assert y == pytest.approx(column.sum(), abs=1e-5)
        expected = {"A": "#008000", "C": "#0000ff", "G": "#ffa600", "T": "#ff0000"}[letter]
        assert np.allclose(color, to_rgba(expected, 0.5), atol=0.01)
    for mine, other in zip(found, points(theirs)):
        assert np.allclose(mine[2], other[2], atol=0.01)


def test_a_position_of_zeros_has_no_point_and_colors_are_given_by_row_or_letter():
    X = values()
    X[:, 3:6] = 0
    named = {"A": "k", "C": "r", "G": "b", "T": "g"}
    axes = [plt.figure().add_subplot() for _ in range(2)]
    for ax, colors in zip(axes, (named, list(named.values()))):
        plot.plot_categorical_scatter(X.numpy(), colors, ax)
        found = points(ax)
        assert [x for x, *_ in found] == [x for x in range(60) if not 3 <= x < 6]
        for x, _, color in found:
            letter = "ACGT"[int(X[:, int(x)].abs().argmax())]
            assert np.allclose(color, to_rgba(named[letter]), atol=0.01)
    plt.figure()
    assert len(points(plot.plot_categorical_scatter(np.ones((6, 5))))) == 5
    with pytest.raises(SequenceError, match="2 colors for 4 rows.*one for each row"):
        plot.plot_categorical_scatter(X, ["r", "b"])
    with pytest.raises(SequenceError, match="colors are of A, C, and X has 4 rows"):
        plot.plot_categorical_scatter(X, {"A": "r", "C": "b"})
    with pytest.raises(SequenceError, match=r"X has shape"):
        plot.plot_categorical_scatter(X[None])


class Net(nn.Module):
    def __init__(self, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv, self.head = nn.Conv1d(4, 6, 5), nn.Linear(6, 2)

    def forward(self, X, scale=None):
        y = self.head(torch.relu(self.conv(X)).mean(dim=2))
        return y if scale is None else y * scale


def sequences(n: int = 3, length: int = 40) -> torch.Tensor:
    tokens = torch.from_numpy(np.random.default_rng(1).integers(0, 4, (n, length)))
    return nn.functional.one_hot(tokens, 4).transpose(1, 2).float()


def heights(ax) -> dict:
    return {(letter, x): value for letter, x, value in ax.logo_heights}


def shown(ax, X_attr, first: int = 0) -> bool:
    """Are the letters of the axes those of (4, length)?"""
    wanted = {
        ("ACGT"[row], first + column): pytest.approx(value)
        for (row, column), value in np.ndenumerate(X_attr.numpy())
        if value
    }
    return heights(ax) == wanted


def test_attributions_are_computed_and_drawn():
    model, X = Net().eval(), sequences()
    options = {"device": "cpu", "random_state": 0, "n_shuffles": 4, "target": 1}
    axes, found = plot.plot_attributions(
        model, X, attribute_kwargs=options, plot_kwargs={"start": 5, "end": 25}
    )
    assert len(axes) == 3 and found.shape == X.shape
    for i, ax in enumerate(axes):
        # Each sequence is a call of its own, so that the references do not depend on the others.
        alone = deep_lift_shap(model, X[i : i + 1], **options)[0]
        torch.testing.assert_close(found[i], alone)
        assert shown(ax, alone[:, 5:25], 5)
        assert ax.get_subplotspec().get_geometry()[:2] == (3, 1)


def test_models_go_with_sequences_or_all_with_one():
    models, X = [Net(i).eval() for i in range(3)], sequences()
    options = {"func": saliency, "attribute_kwargs": {"device": "cpu"}, "layout": (2, 2)}
    axes, each = plot.plot_attributions(models, X, **options)
    assert [ax.get_subplotspec().get_geometry()[:3] for ax in axes] == [(2, 2, i) for i in range(3)]
    _, of_one = plot.plot_attributions(models, X[0], **options)
    for i, model in enumerate(models):
        torch.testing.assert_close(each[i], saliency(model, X[i : i + 1], device="cpu")[0])
        torch.testing.assert_close(of_one[i], saliency(model, X[:1], device="cpu")[0])
    _, theirs = peer.plot_attributions(models, X[0], **options)
    torch.testing.assert_close(of_one, theirs)
    scale = torch.rand(3, 1) + 0.5
    options["attribute_kwargs"] = {"device": "cpu", "args": (scale,)}
    _, scaled = plot.plot_attributions(models[0], X, **options)
    torch.testing.assert_close(scaled, saliency(models[0], X, args=(scale,), device="cpu"))
    _, plain = plot.plot_attributions(None, X, lambda model, X: X.numpy() * 2)
    np.testing.assert_array_equal(plain, X * 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"X": sequences()[0]}, r"X has shape \(4, 40\).*give \(N, 4, length\)"),
        ({"models": [Net()] * 2}, "2 models for 3 sequences.*one for each"),
        ({"models": [], "X": sequences()[0]}, "there is nothing to draw"),
        ({"layout": (1, 2)}, "layout: a layout of 1 x 2 for 3 sequences.*more rows"),
        ({"func": lambda model, X: X[0]}, r"func: func gives shape \(4, 40\) for.*\(1, 4, 40\)"),
        ({"func": lambda model, X: (X, X)}, "func: func gives tuple"),
        ({"func": "cisweep.nowhere:f"}, "func: 'cisweep.nowhere:f' cannot be imported"),
    ],
)
def test_attributions_that_cannot_be_drawn(changes, says):
    options = {"models": Net(), "X": sequences(), "func": lambda model, X: X} | changes
    with pytest.raises(SequenceError, match=f"(?s){says}"):
        plot.plot_attributions(**options)


def annotations() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start": [30, 4, 12], "end": [38, 9, 20], "name": ["c<b>", "SPI1", "GATA1 $x$"],
            "p-value": [1.23456e-7, 0.5, 0.25], "attribution": [1.5, -2.0, 0.125],
            "strand": ["+", "-", "&"], "length_bp": [1234, 5, 8],
        }
    )  # fmt: skip


@pytest.fixture
def mpld3(monkeypatch):
    """What mpld3 is told: it is no dependency, so that a stand-in takes the calls of both."""
    told = []
    plugins = ModuleType("mpld3.plugins")
    plugins.PointHTMLTooltip = lambda drawn, labels, css: SimpleNamespace(
        drawn=drawn, labels=labels, css=css
    )
    plugins.connect = lambda figure, tooltip: told.append((figure, tooltip))
    package = ModuleType("mpld3")
    package.plugins = plugins
    monkeypatch.setitem(sys.modules, "mpld3", package)
    monkeypatch.setitem(sys.modules, "mpld3.plugins", plugins)
    return told


def boxes_of(ax):
    (found,) = [c for c in ax.collections if isinstance(c, PatchCollection)]
    extents = [path.get_extents().extents for path in found.get_paths()]
    return found, np.array(extents)


@pytest.mark.parametrize("cmap", ["Pastel1", "viridis", ["red", "blue"]])
def test_boxes_and_facts_are_the_peers(mpld3, cmap):
    X, table = values(), annotations().replace({"c<b>": "c", "&": "+"})
    options = {"annotations": table, "box_alpha": 0.4, "box_linewidth": 2, "annot_cmap": cmap,
               "ylim": (-3, 3), "label_fontsize": 7, "tooltip_css": ".mpld3-tooltip{color:red}",
               "min_height_pct": None}  # fmt: skip
    ours, theirs = (plt.figure().add_subplot() for _ in range(2))
    assert plot.interactive_logo(X, ax=ours, **options) is ours
    peer.interactive_logo(X, ax=theirs, **options)
    (figure, mine), (_, other) = mpld3
    assert figure is ours.figure and mine.drawn is boxes_of(ours)[0]
    assert mine.labels == other.labels and mine.css.startswith(".mpld3-tooltip{color:red}")
    (a, places), (b, wanted) = boxes_of(ours), boxes_of(theirs)
    np.testing.assert_allclose(places, wanted)
    np.testing.assert_allclose(a.get_facecolors(), b.get_facecolors())
    np.testing.assert_allclose(a.get_linewidths(), b.get_linewidths())
    assert a.get_zorder() == b.get_zorder() < 1
    names = [[(t.get_text(), *t.get_position(), t.get_fontsize()) for t in ax.texts]
             for ax in (ours, theirs)]  # fmt: skip
    assert names[0] == names[1] and [name for name, *_ in names[0]] == ["SPI1", "GATA1 $x$", "c"]
    assert ours.get_ylim() == theirs.get_ylim() and ours.get_xlim() == theirs.get_xlim()


def test_a_box_that_reaches_beyond_the_span_is_cut_and_its_facts_are_whole(mpld3):
    ax = plot.interactive_logo(values(), annotations=annotations().drop(columns="name"), start=6,
                               end=20, label=False, grid=False, despine=False)  # fmt: skip
    _, places = boxes_of(ax)
    np.testing.assert_allclose(places[:, [0, 2]], [(-0.1, 2.95), (5.9, 13.95)])
    ((_, tooltip),) = mpld3
    assert tooltip.labels[0] == (
        "<b>0</b><br>length: 5<br>start: 4<br>end: 9<br>seqlet p-value: 0.5<br>"
        "seqlet attribution: -2<br>strand: -<br>length_bp: 5"
    )
    assert tooltip.labels[1].startswith("<b>1</b><br>length: 8<br>start: 12")
    assert not ax.texts and ax.spines["left"].get_visible()
    assert "mpld3-ygrid" not in tooltip.css and "mpld3-xaxis" not in tooltip.css
    assert not any(line.get_visible() for line in ax.get_ygridlines())


def test_without_mpld3_a_figure_is_a_page_of_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpld3", None)
    figure, axes = plt.subplots(2, figsize=(8, 4), dpi=150)
    for ax in axes:
        plot.interactive_logo(values(), ax=ax, annotations=annotations())
    assert not axes[0].spines["left"].get_visible()
    assert all(line.get_visible() for line in axes[0].get_ygridlines())
    text = plot.interactive_html(axes[0])
    assert text == plot.interactive_html(axes[1])
    (width, height), (x, y, w, h) = (
        map(float, re.search(pattern, text).groups())
        for pattern in (
            r'viewBox="0 0 ([\d.]+) ([\d.]+)"',
            r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="none"',
        )
    )
    assert (width, height) == (576, 288)
    # By hand: the first box, [4, 9), in points from the upper left corner.
    place = axes[0].get_position()
    per_base = place.width * 576 / 60.1
    assert x == pytest.approx(place.x0 * 576 + 4 * per_base, abs=0.02)
    assert w == pytest.approx(5.05 * per_base, abs=0.02)
    assert y == pytest.approx((1 - place.y1) * 288, abs=0.02)
    assert h == pytest.approx(place.height * 288, abs=0.02)
    told = [unescape(each) for each in re.findall(r'data-told="([^"]*)"', text)]
    assert len(told) == 6 and told[0].startswith("<b>SPI1</b><br>length: 5<br>start: 4<br>end: 9")
    # Names and values are text, and stay so.
    assert told[2].startswith("<b>c&lt;b&gt;</b>") and "strand: &amp;" in told[1]
    assert "<b>c<b>" not in unescape(text) and ".mpld3-tooltip{background" in text
    assert "GATA1 $x$" in [t.get_text() for t in axes[0].texts]


def test_logos_without_boxes_and_what_is_wrong():
    ax = plot.interactive_logo(values(), color="k", start=3, end=9)
    assert not ax.texts and not any(isinstance(c, PatchCollection) for c in ax.collections)
    assert any(isinstance(c, PathCollection) for c in ax.collections)
    assert "data-told=" not in plot.interactive_html(ax)
    far = annotations().assign(start=50, end=55)
    assert not plot.interactive_logo(values(), annotations=far, end=40).texts
    with pytest.raises(SequenceError, match="annotations have no column 'end': start.*half-open"):
        plot.interactive_logo(values(), annotations=annotations()[["start"]])
    plt.figure()
    with pytest.raises(SequenceError, match="no interactive logo.*interactive_logo"):
        plot.interactive_html(plot.plot_logo(values()))


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_tells_what_is_pointed_at(has_chromium, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    _, ax = plt.subplots(figsize=(9, 3))
    plot.interactive_logo(values(), ax=ax, annotations=annotations())
    (tmp_path / "logo.html").write_text(f"<body>{plot.interactive_html(ax)}")
    faults = []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=has_chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 400})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((tmp_path / "logo.html").as_uri())
        tip = page.locator(".mpld3-tooltip")
        assert not tip.is_visible()
        page.locator("[data-told]").nth(2).hover()
        assert tip.is_visible() and tip.inner_text().startswith("c<b>\nlength: 8\nstart: 30\n")
        page.mouse.move(2, 2)
        assert not tip.is_visible()
        browser.close()
    assert faults == []
