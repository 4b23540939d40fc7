"""Products of gc."""

from cisweep.products.base import PLACE, Field, Product

GC = Product(
    "<model>/gc.tsv",
    "G and C of each window, one row a window.",
    (*PLACE, Field("gc", "int64", "bases that are G or C", "bp")),
)
PRODUCTS = (
    GC,
    Product("<model>/tracks/gc.bedgraph", "The same for genome browsers (bedGraph)."),
)
