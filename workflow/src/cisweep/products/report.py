"""Products of report."""

from cisweep.products.base import Product

_HUB = "`steps.report.hub`"
PRODUCTS = (
    Product("report.html", "The page; needs no internet."),
    Product("igv_session.xml", "Session of IGV over the run's tracks, with paths relative to it."),
    Product("hub.txt", "UCSC track hub.", when=_HUB),
    Product("genomes.txt", "The hub's genome.", when=_HUB),
    Product("trackDb.txt", "The hub's tracks.", when=_HUB),
)
