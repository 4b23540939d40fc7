"""report: one page that works without internet."""


rule report_page:
    """Write the page of the run from its merged products."""
    input:
        products=[path for path in PLAN.products() if path != f"{RESULTS}/report.html"],
        dropped=f"{RESULTS}/dropped_regions.tsv",
        provenance=f"{RESULTS}/provenance.json",
    output:
        html=report(
            f"{RESULTS}/report.html",
            caption="../report/page.rst",
            category="Report",
        ),
    log:
        f"{RESULTS}/logs/report_page.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_page.tsv"
    conda:
        "../../envs/cisweep.yaml"
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=PLAN.page_key,
    script:
        "../../scripts/report_page.py"
