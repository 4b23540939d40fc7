"""Products of the run that belong to no step."""

from cisweep.products.base import DROPPED, Field, Product

DROPPED_REGIONS = Product(
    "dropped_regions.tsv",
    "Every region, variant and sequence without a result, and why.",
    DROPPED,
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
)  # fmt: skip
