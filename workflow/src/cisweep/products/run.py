"""Products of the run that belong to no step."""

from cisweep.products.base import DROPPED, Field, Product

DROPPED_REGIONS = Product(
    "dropped_regions.tsv",
    "Every region, variant and sequence without a result, and why.",
    DROPPED,
)
TARGETS = Product(
    "<model>/targets.tsv",
    "The targets and tracks of a model, and how their names stand in names of files.",
    (
        Field("target", "text", "name of the target or track, as in every table"),
        Field("file_name", "text", "what stands in names of files, and (but for what is behind ~~) "
              "in paths within HDF5 files and names of columns: a byte of a letter other than A-Z "
              "a-z 0-9 _ . - is ~ and two hexadecimal digits"),
        Field("kind", "text", "`target` or `track`"),
        Field("scale", "text", "scale of a target; a track has none"),
        Field("group", "text", "its group, if it has one"),
        Field("color", "text", "its colour, #rrggbb, if it has one"),
        Field("<column>", "text", "further columns of the table that targets are from; one that is "
              "called as a column before it is `table_<column>`", "", "targets are from a table"),
    ),
)  # fmt: skip
FIGURE_DATA = (
    Field("panel", "text", "title or axes of the panel"),
    Field("series", "text", "name in the legend; the base of a logo"),
    Field("kind", "text", "`line`, `point`, `bar`, `cell`, `letter`, `band`"),
    Field("x", "float64", "place on the axis, in its unit; of a cell its column, from 0"),
    Field("y", "float64", "place or height, in the axis's unit; of a cell its row, from 0"),
    Field("value", "float64", "of a cell, or of what a point's colour shows; of a bar its width"),
    Field("name", "text", "what the axis calls x or y, where it has words"),
)
_OF_STEPS = "it is a figure of a step"


def _copies(folder: str) -> tuple[Product, ...]:
    """Return what stands beside each SVG of a folder (plot/saving.py)."""
    return (
        Product(f"{folder}/<figure>.png", "The SVG of that name, for slides.", when=_OF_STEPS),
        Product(f"{folder}/<figure>.pdf", "The same, for papers.", when=_OF_STEPS),
        Product(
            f"{folder}/<figure>.data.tsv",
            "The numbers that it shows, one row a point, bar, cell or letter.",
            FIGURE_DATA,
            when=_OF_STEPS,
        ),
    )


PRODUCTS = (
    DROPPED_REGIONS,
    Product(
        "provenance.json",
        "What the products were made from.",
        (
            Field("cisweep_version", "text", "version of cisweep"),
            Field("settings", "text", "hash of what determines the results"),
            Field("seed", "int", "seed of the run"),
            Field("models", "mapping", "id of a model -> its prepared.json"),
            Field("source", "text", "the genome or the sequences, with checksum"),
            Field("config", "mapping", "the config with all defaults"),
            Field("packages", "mapping", "versions of the packages that numbers depend on"),
        ),
    ),
    Product(
        "<model>/prepare/prepared.json",
        "What is known of a model once it has been loaded.",
        (
            Field("model", "text", "its id"),
            Field("window_bp", "int", "window that it reads", "bp"),
            Field("targets", "list of text", "names of its targets"),
            Field("files", "mapping", "file -> SHA-256"),
            Field("model_sha256", "text", "SHA-256 over all of them"),
            Field("commits", "mapping", "repository of a hub -> commit"),
        ),
    ),
    TARGETS,
    *_copies("<model>/figures"),
    *_copies("figures"),
    *_copies("design/figures"),
    *_copies("motif_clusters/figures"),
    *_copies("train/<trained>"),
    *_copies("train"),
)  # fmt: skip
