"""Logos against tangermeme 1.6.0: the same letters in the same boxes."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.path import Path

from cisweep import plot

peer = pytest.importorskip("tangermeme.plot")


def letter_boxes(ax) -> np.ndarray:
    """Return sorted (x0, x1, y0, y1) of all letters of the axes."""
    found = []
    for collection in ax.collections:
        for path in collection.get_paths():
            points = path.vertices[path.codes != Path.CLOSEPOLY]
            # Of cubic and quadratic outlines only the extreme points matter here, and those
            # are on the curve; a letter is known by its column.
            columns = np.floor(points[:, 0] + 1e-9)
            for column in np.unique(columns):
                xs, ys = points[columns == column].T
                found.append((xs.min(), xs.max(), ys.min(), ys.max()))
    return np.array(sorted(found))


def two_axes():
    return (plt.figure().add_subplot() for _ in range(2))


@pytest.mark.parametrize("span", [{}, {"start": 10, "end": 40}])
@pytest.mark.parametrize("letter", range(4))
def test_projected_attributions(letter, span):
    rng = np.random.default_rng(letter)
    X = np.zeros((4, 60))
    X[letter] = rng.normal(0, 1, 60)
    ours, theirs = two_axes()
    plot.plot_logo(X, ax=ours, min_height_pct=0.02, **span)
    peer.plot_logo(X, ax=theirs, min_height_pct=0.02, **span)
    # Control points of the peer's font may lie a little outside of the letter.
    assert np.allclose(letter_boxes(ours), letter_boxes(theirs), atol=0.02)
    assert np.allclose(ours.get_ylim(), theirs.get_ylim(), atol=0.05)
    assert ours.get_xlim() == theirs.get_xlim()
    plt.close("all")


def test_information_of_a_motif():
    pwm = np.random.default_rng(0).dirichlet(np.full(4, 0.4), 15).T
    ours, theirs = two_axes()
    plot.plot_pwm(pwm, ax=ours)
    peer.plot_pwm(pwm, ax=theirs)
    tops = [
        [letter_boxes(ax)[letter_boxes(ax)[:, 0] == x][:, 3].max() for x in range(15)]
        for ax in (ours, theirs)
    ]
    heights = plot.pwm_information(pwm)
    assert np.allclose(tops[0], heights.sum(axis=0), atol=0.02)
    assert np.allclose(tops[0], tops[1], atol=0.02)
    plt.close("all")
