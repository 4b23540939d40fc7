"""Products of report."""

from cisweep.products.base import Product

_HUB = "`steps.report.hub` is set"
PRODUCTS = (
    Product("report.html", "The page; needs no internet."),
    Product("targets/<model>.<target>.html", "Of a model with more than 12 targets: what the steps "
            "say of one of them; report.html leads to it."),
    Product("figures/<figure>.svg", "A figure that the page draws itself: `<model>.predictions`, "
            "`<model>.regions.<target>` (the strongest ones), `design.edits`, "
            "`design.predictions`."),
    Product("browser/igv.xml", "Session of IGV over the run's tracks, with paths relative to it."),
    Product("browser/igv.json", "The same for igv.js, from a web server.", any_fields=True),
    Product("browser/<file>.bb", "Peaks, seqlets and hits as bigBed, of which hub and sessions "
            "read what they show: `<model>.peaks.bb` has the rows of `<model>/peaks.bed`."),
    Product("browser/hub.txt", "UCSC track hub: the address to give to UCSC.", when=_HUB),
    Product("browser/genomes.txt", "The hub's genome.", when=_HUB),
    Product("browser/trackDb.txt", "The hub's tracks, a composite track for each kind.", when=_HUB),
    Product("browser/description.html", "The hub's page.", when=_HUB),
    Product("browser/<kind>.html", "The hub's page about a kind of track: what it is, its unit.",
            when=_HUB),
)  # fmt: skip
