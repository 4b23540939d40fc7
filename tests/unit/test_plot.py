"""cisweep.plot: what stands where, and the messages of its errors."""

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba

from cisweep import plot
from cisweep.errors import SequenceError
from cisweep.plot.annotations import pack_rows
from cisweep.plot.saving import save_figure

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def attributions():
    """Projected attributions (4, 100), one letter a position."""
    X = np.zeros((4, 100))
    X[np.random.default_rng(1).integers(0, 4, 100), np.arange(100)] = np.sin(np.arange(100.0)) + 0.1
    return X


@pytest.fixture
def hits():
    """Crowded annotations, of which several overlap."""
    starts = np.random.default_rng(2).integers(0, 90, 14)
    return pd.DataFrame(
        {
            "motif_name": [f"MOTIF_{i} with a long name" for i in range(14)],
            "start": starts,
            "end": starts + 10,
            "score": np.linspace(20, 1, 14),
        }
    )


def letters_of(ax):
    return {
        c.get_gid().removeprefix("letters "): c
        for c in ax.collections
        if (c.get_gid() or "").startswith("letters")
    }


def boxes(collection):
    """Return the bounding boxes (x0, y0, x1, y1) of the letters of one base."""
    found = []
    for path in collection.get_paths():
        starts = np.flatnonzero(path.codes == path.MOVETO)
        rings = np.split(np.arange(len(path.codes)), starts[1:])
        for ring in rings:
            points = path.vertices[ring][path.codes[ring] != path.CLOSEPOLY]
            found.append((*points.min(0), *points.max(0)))
    return np.array(found)


def test_each_letter_is_as_tall_as_its_value(attributions):
    ax = plot.plot_logo(attributions, min_height_pct=None)
    for row, letter in enumerate("CGT", start=1):  # A has an inner ring
        found = boxes(letters_of(ax)[letter])
        positions = np.flatnonzero(attributions[row])
        assert np.allclose(found[:, 0], positions)
        assert np.allclose(found[:, 2], positions + 0.95)
        values = attributions[row, positions]
        assert np.allclose(found[:, 1], np.minimum(values, 0))
        assert np.allclose(found[:, 3], np.maximum(values, 0))
    assert ax.get_ylim() == (attributions.min(), attributions.max())


def test_letters_below_the_axis_are_upside_down():
    ax = plot.plot_logo(np.array([[0.0, 0], [0, 0], [0, 0], [1, -2]]), min_height_pct=None)
    path = letters_of(ax)["T"].get_paths()[0]
    points = path.vertices[path.codes != path.CLOSEPOLY]
    upright, turned = points[points[:, 0] < 1], points[points[:, 0] >= 1]
    # The bar of a T reaches the left edge: at the top, or at the bottom when turned.
    assert upright[upright[:, 0] == 0][:, 1].min() > 0.5
    assert turned[turned[:, 0] == 1][:, 1].max() < -1.5


def test_stacked_letters_touch_and_do_not_overlap():
    heights = rng.normal(0, 1, (4, 30))
    letters = plot.plot_logo(heights, min_height_pct=None) and plot_letters(heights)
    for position in range(30):
        for below in (False, True):
            here = (letters.position == position) & (letters.below == below)
            order = np.argsort(letters.bottom[here])
            bottom, height = letters.bottom[here][order], letters.height[here][order]
            assert np.allclose(bottom[1:], (bottom + height)[:-1])
            side = heights[:, position] * (-1 if below else 1)
            assert np.isclose(height.sum(), side[side > 0].sum())
            if len(bottom):
                assert np.isclose((bottom + height)[-1] if below else bottom[0], 0)
            # The tallest stands outermost.
            assert (np.diff(height) * (-1 if below else 1) >= 0).all()


def plot_letters(heights):
    from cisweep.plot.letters import stack_letters

    return stack_letters(heights, None)


def test_small_letters_are_left_out():
    ax = plot.plot_logo([[1.0, 0.019], [0, 0], [0, 0.021], [0, 0]])
    assert set(letters_of(ax)) == {"A", "G"}
    assert len(letters_of(ax)["A"].get_paths()) == 1


def test_span_starts_at_zero_and_is_labelled_by_position(attributions):
    ax = plot.plot_logo(attributions, start=40, end=60)
    assert ax.get_xlim() == (-0.1, 20)
    assert ax.xaxis.get_major_formatter()(5, 0) == "45"
    assert np.allclose(
        np.sort(np.concatenate([boxes(c)[:, 0] for k, c in letters_of(ax).items() if k != "A"])),
        np.flatnonzero(
            (np.abs(attributions[1:, 40:60]) > 0.02 * np.abs(attributions[:, 40:60]).max()).any(0)
        ),
    )


def test_tensors_and_lists_are_arrays(attributions):
    tensor = torch.tensor(attributions, requires_grad=True)
    ax = plot.plot_logo(tensor, ax=plt.figure().add_subplot())
    again = plot.plot_logo(attributions.tolist(), ax=plt.figure().add_subplot())
    assert ax.get_ylim() == again.get_ylim()


def test_colors_by_letter_position_and_number(attributions):
    for color, expected in (
        (None, {"A": "#008000", "C": "#0000ff", "G": "#ffa600", "T": "#ff0000"}),
        ("black", dict.fromkeys("ACGT", "black")),
        ({"A": "pink"}, {"A": "pink", "C": "#808080", "G": "#808080", "T": "#808080"}),
    ):
        ax = plot.plot_logo(attributions, color=color, ax=plt.figure().add_subplot())
        for letter, collection in letters_of(ax).items():
            assert tuple(collection.get_facecolor()[0]) == pytest.approx(to_rgba(expected[letter]))
    by_position = ["red"] * 50 + ["blue"] * 50
    ax = plot.plot_logo(
        attributions, color=by_position, start=40, end=60, ax=plt.figure().add_subplot()
    )
    for collection in ax.collections:
        x = np.concatenate([p.vertices[p.codes != p.CLOSEPOLY, 0] for p in collection.get_paths()])
        red = tuple(collection.get_facecolor()[0]) == to_rgba("red")
        assert (x <= 10).all() if red else (x >= 10).all()
    plot.plot_logo(attributions, color=np.arange(100), ax=plt.figure().add_subplot())


def overlaps(a, b):
    return a.x0 < b.x1 - 0.5 and b.x0 < a.x1 - 0.5 and a.y0 < b.y1 - 0.5 and b.y0 < a.y1 - 0.5


def annotation_boxes(ax):
    """Return the drawn boxes of names and bars, in pixels."""
    from matplotlib.transforms import Bbox

    ax.figure.canvas.draw()
    found = [t.get_window_extent() for t in ax.texts]
    for collection in ax.collections:
        if collection.get_gid() == "annotation bars":
            for (x0, y0), (x1, _) in collection.get_segments():
                half = collection.get_linewidths()[0] * ax.figure.dpi / 72 / 2
                left, right = (ax.transData.transform((x, y0)) for x in (x0, x1))
                found.append(Bbox([[left[0], left[1] - half], [right[0], right[1] + half]]))
    return found


@pytest.mark.parametrize(
    ("size", "n_tracks", "span"),
    [
        ((12, 3), 4, (None, None)),
        ((6, 4), 1, (None, None)),
        ((20, 2.5), 20, (None, None)),
        ((12, 3), 1, (30, 70)),
        ((6, 4), 20, (30, 70)),
    ],
)
def test_annotations_do_not_overlap(attributions, hits, size, n_tracks, span):
    layout = "constrained" if n_tracks == 4 else None
    figure, (_, ax, _) = plt.subplots(1, 3, figsize=size, width_ratios=[1, 8, 1], layout=layout)
    plot.plot_logo(
        attributions, ax=ax, annotations=hits, n_tracks=n_tracks, start=span[0], end=span[1]
    )
    found = annotation_boxes(ax)
    assert len(found) > len(ax.texts) > 0
    for i, box in enumerate(found):
        assert not any(overlaps(box, other) for other in found[:i])
    # Nor do they touch the letters.
    low = min(p.vertices[:, 1].min() for c in letters_of(ax).values() for p in c.get_paths())
    floor = ax.transData.transform((0, low))[1]
    assert max(box.y1 for box in found) <= floor + 0.5


def test_annotations_fit_into_the_axes(attributions, hits):
    figure, ax = plt.subplots(figsize=(12, 4))
    plot.plot_logo(attributions, ax=ax, annotations=hits.iloc[:5])
    assert min(box.y0 for box in annotation_boxes(ax)) >= ax.get_window_extent().y0 - 0.5
    assert all(tick >= attributions.min() for tick in ax.get_yticks())


def test_annotations_name_score_and_clip(attributions):
    table = pd.DataFrame(
        {
            "motif": ["first", "second", "left of it", "right of it"],
            "start": [35, 55, 20, 60],
            "end": [45, 65, 40, 70],
            "strand": list("++--"),
            "weight": [1.23456, 9, 2, 3],
        }
    )
    ax = plot.plot_logo(attributions, annotations=table, start=40, end=60, score_key="weight")
    assert [t.get_text() for t in ax.texts] == ["second (9)", "first (1.23)"]
    (bars,) = (c for c in ax.collections if c.get_gid() == "annotation bars")
    assert [s[:, 0].tolist() for s in bars.get_segments()] == [[15, 20], [0, 5]]
    ax = plot.plot_logo(
        attributions,
        annotations=table,
        start=40,
        end=60,
        show_score=False,
        ax=plt.figure().add_subplot(),
    )
    assert [t.get_text() for t in ax.texts] == ["first", "second"]


def test_the_best_annotation_stands_nearest_and_extra_ones_can_be_hidden(attributions, hits):
    hits["start"], hits["end"] = 40, 60
    ax = plot.plot_logo(attributions, annotations=hits, n_tracks=2)
    tops = [t.get_position()[1] for t in ax.texts]
    assert tops == sorted(tops, reverse=True)
    assert len(ax.texts) == 14
    hidden = plot.plot_logo(
        attributions, annotations=hits, n_tracks=2, show_extra=False, ax=plt.figure().add_subplot()
    )
    assert [t.get_text().split(" ")[0] for t in hidden.texts] == ["MOTIF_0", "MOTIF_1"]


def test_no_annotation_in_the_span_is_no_error(attributions, hits):
    hits["start"], hits["end"] = 0, 5
    ax = plot.plot_logo(attributions, annotations=hits, start=50, end=60)
    assert not ax.texts


def test_rows_take_the_first_free_place():
    left, right = np.array([0, 5, 10, 2, 0]), np.array([6, 9, 20, 11, 30])
    assert pack_rows(left, right).tolist() == [0, 1, 0, 2, 3]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"X_attr": np.zeros((1, 4, 9))}, r"X_attr has shape \(1, 4, 9\) .* \(4, length\)"),
        ({"X_attr": np.zeros((9, 4))}, r"shape \(9, 4\).*transpose"),
        ({"X_attr": np.full((4, 3), np.nan)}, "position 0: X_attr is not finite"),
        ({"start": 5, "end": 3}, r"span \[5, 3\) is outside"),
        ({"end": 101}, "use 0 <= start < end <= 100"),
        ({"color": ["red"] * 3}, "color has 3 entries where X_attr has 100 positions"),
        (
            {"annotations": pd.DataFrame({"name": ["a"], "end": [3]})},
            "no column 'start': name, end",
        ),
        (
            {
                "annotations": pd.DataFrame({"n": ["a"], "start": [1], "end": [3]}),
                "score_key": "p",
            },
            "score_key: annotations have no column 'p'",
        ),
    ],
)
def test_logo_errors_say_what_is_wrong(attributions, args, message):
    with pytest.raises(SequenceError, match=message):
        plot.plot_logo(**({"X_attr": attributions} | args))


def test_information_of_known_columns():
    pwm = np.array([[1, 0.25, 0.5, 0], [0, 0.25, 0.5, 0], [0, 0.25, 0, 0], [0, 0.25, 0, 0]])
    heights = plot.pwm_information(pwm)
    assert np.allclose(heights.sum(0), [2, 0, 1, 0])
    assert np.allclose(heights[:, 2], [0.5, 0.5, 0, 0])
    assert np.allclose(plot.pwm_information(pwm * 7), heights)
    skewed = plot.pwm_information(pwm, background=(0.5, 0.2, 0.2, 0.1))
    p, b = np.full(4, 0.25), np.array([0.5, 0.2, 0.2, 0.1])
    assert np.allclose(skewed[:, 0], [1, 0, 0, 0])
    assert np.allclose(skewed[:, 1], 0.25 * (p * np.log2(p / b)).sum())
    with pytest.raises(SequenceError, match="position 0: pwm has a negative value"):
        plot.pwm_information(-pwm)
    with pytest.raises(SequenceError, match="is no distribution"):
        plot.pwm_information(pwm, background=(1, 1, 1, 1))


def test_pwm_is_drawn_in_bits():
    ax = plot.plot_pwm(np.eye(4), name="ACGT")
    assert ax.get_ylim() == (0, 2)
    assert ax.get_title() == "ACGT"
    assert np.allclose(boxes(letters_of(ax)["T"]), [[3, 0, 3.95, 2]])


def test_track_is_drawn_in_bins_from_its_start():
    ax = plot.plot_track({"plus": [1, 2, 3], "minus": [-1, -2, np.nan]}, start=100, bin_bp=4)
    assert ax.get_xlim() == (100, 112)
    assert ax.patches[0].get_data().edges.tolist() == [100, 104, 108, 112]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["plus", "minus"]
    assert plot.plot_track([1.0, 2], ax=plt.figure().add_subplot()).get_ylim()[0] == 0
    with pytest.raises(SequenceError, match="tracks differ in length: {'a': 1, 'b': 2}"):
        plot.plot_track({"a": [1], "b": [1, 2]})
    with pytest.raises(SequenceError, match=r"values has shape \(1, 2\)"):
        plot.plot_track([[1, 2]])


def test_losses_of_several_models():
    history = [{"epoch": e, "train_loss": 1 / e, "valid_loss": 2 / e, "lr": 1} for e in (1, 2, 3)]
    ax = plot.plot_loss({"CNN": history, "Linear": pd.DataFrame(history)})
    assert [line.get_label() for line in ax.lines] == [
        "CNN train_loss",
        "CNN valid_loss",
        "Linear train_loss",
        "Linear valid_loss",
    ]
    assert ax.lines[1].get_ydata().tolist() == [2, 1, 2 / 3]
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[2].get_color()
    alone = plot.plot_loss(history, ax=plt.figure().add_subplot(), columns=["lr"])
    assert [line.get_label() for line in alone.lines] == ["lr"]
    with pytest.raises(SequenceError, match="CNN: history has no loss: its columns are epoch, lr"):
        plot.plot_loss({"CNN": [{"epoch": 1, "lr": 2}]})
    with pytest.raises(SequenceError, match="history has no model"):
        plot.plot_loss({})


def test_losses_of_a_design_have_two_axes():
    left, right = plot.plot_loss(
        {"output_loss": [3.0, 2], "input_loss": [0, torch.tensor(4)], "edits": []}
    )
    assert left.lines[0].get_ydata().tolist() == [3, 2]
    assert right.lines[0].get_ydata().tolist() == [0, 4]


def test_parity_states_the_agreement():
    ax = plot.plot_parity([1, 2, 3, np.nan], [2, 4, 6.0, 1], label="CTCF")
    assert ax.get_title() == "CTCF\nn = 3   r = 1.000   ρ = 1.000   R² = -6.000"
    assert ax.get_xlim() == ax.get_ylim()
    dense = plot.plot_parity(np.arange(6000), np.arange(6000), ax=plt.figure().add_subplot())
    assert "n = 6000" in dense.get_title()
    with pytest.raises(SequenceError, match=r"y_true has shape \(2,\), y_pred \(3,\)"):
        plot.plot_parity([1, 2], [1, 2, 3])
    with pytest.raises(SequenceError, match="1 pairs are finite"):
        plot.plot_parity([1, np.nan], [1, 2])


def test_edits_are_colored(attributions):
    edited = attributions.copy()
    base = int(np.flatnonzero(attributions[:, 50])[0])
    edited[base, 50], edited[(base + 1) % 4, 50] = 0, 2.0
    axs = plot.plot_edits(attributions[None], [torch.tensor(edited)[None]])
    assert len(axs) == 2
    orange = [c for c in axs[1].collections if tuple(c.get_facecolor()[0]) == to_rgba("darkorange")]
    assert [c.get_gid() for c in orange] == [f"letters {'ACGT'[(base + 1) % 4]}"]
    assert orange[0].get_paths()[0].vertices[:, 0].max() < 51
    assert all(tuple(c.get_facecolor()[0]) == to_rgba("dimgrey") for c in axs[0].collections)
    assert axs[0].get_ylim() == axs[1].get_ylim()
    with pytest.raises(SequenceError, match=r"X_attrs has shape \(4, 100\)"):
        plot.plot_edits(attributions[None], edited)
    with pytest.raises(SequenceError, match="1 axs for 2 logos"):
        plot.plot_edits(attributions[None], edited[None], axs=[plt.gca()])


def test_history_shows_each_edit_at_its_iteration():
    edits = [
        (torch.tensor([0, 1]), torch.tensor([2, 2]), torch.tensor([7, 9])),
        (np.array([3]), np.array([0]), np.array([8])),
    ]
    ax = plot.plot_history({"edits": edits, "batch_size": 4})
    assert ax.collections[0].get_offsets().tolist() == [[7, 0], [9, 0.25], [8, 1.75]]
    assert ax.get_ylim() == (2, 0)
    with pytest.raises(SequenceError, match="history has no edits"):
        plot.plot_history({"batch_size": 4})


@pytest.mark.parametrize("kind", ["heatmap", "logo", "pwm"])
def test_filters_have_one_axes_each(kind):
    filters = np.random.default_rng(0).dirichlet(np.ones(4), (5, 7)).transpose(0, 2, 1)
    axs = plot.plot_filters(torch.tensor(filters), kind=kind, n_columns=2)
    assert [ax.get_title() for ax in axs] == list("01234")
    named = plot.plot_filters({"TAT": filters[0], "GCG": filters[1]}, kind=kind)
    assert [ax.get_title() for ax in named] == ["TAT", "GCG"]
    if kind == "heatmap":
        assert np.allclose(axs[3].images[0].get_array(), filters[3])
        assert len({ax.images[0].get_clim() for ax in axs}) == 1


def test_filters_errors_say_what_is_wrong():
    with pytest.raises(SequenceError, match=r"filter 1 has shape \(5, 4\)"):
        plot.plot_filters([np.zeros((4, 5)), np.zeros((5, 4))])
    with pytest.raises(SequenceError, match="kind 'pie' is unknown. Mend: use heatmap"):
        plot.plot_filters(np.zeros((1, 4, 5)), kind="pie")
    with pytest.raises(SequenceError, match="3 names and 1 axes for 1 filters"):
        plot.plot_filters(np.zeros((1, 4, 5)), names=list("abc"))


def test_plot_is_cheap_to_import_and_needs_no_torch():
    code = (
        "import sys, cisweep.plot as p; p.plot_logo, p.logo_svg, p.plot_filters, p.plot_loss;"
        "print([m for m in ('matplotlib', 'torch', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'plot_pie'"):
        _ = plot.plot_pie


def test_a_figure_has_the_same_bytes_wherever_its_parts_lie_in_memory(tmp_path):
    """The layout's solver sorts by addresses; its last bits must not reach the file."""
    from matplotlib.figure import Figure

    rng, seen, junk = np.random.default_rng(0), set(), []
    for _ in range(8):
        junk = [bytearray(int(n)) for n in rng.integers(10, 5000, rng.integers(1, 5000))][::3]
        figure = Figure(figsize=(13, 8.7), layout="constrained")
        axes = figure.subplots(6, 1, gridspec_kw={"height_ratios": [1.5, 1] * 3})
        for ax in axes:
            figure.colorbar(ax.imshow(np.arange(12).reshape(3, 4), aspect="auto"), ax=ax)
            ax.set_title("a title")
        save_figure(axes[0], tmp_path / "f.svg")
        seen.add((tmp_path / "f.svg").read_bytes())
    assert junk and len(seen) == 1


def test_a_dollar_of_a_name_is_no_mathematics(tmp_path):
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    ax = figure.subplots()
    ax.set_title(r"$\frac$ and $x$")
    ax.plot([1, 1e6], [1, 2], label="$a_b$")
    ax.set_yticks([1, 2], [r"$\frac$", "$y$"])
    ax.set_xscale("log")
    ax.legend()
    save_figure(ax, tmp_path / "f.svg")
    said = [text.get_text() for text in ax.texts] + [ax.get_title()]
    assert r"$\frac$ and $x$" in said
    powers = [label for label in ax.get_xticklabels() if "mathdefault" in label.get_text()]
    assert powers and all(label.get_parse_math() for label in powers)
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())
