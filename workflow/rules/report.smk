"""report: one page that works without internet."""


include: "functions/report.smk"


rule report_browser:
    """Write sessions of IGV and igv.js and, if wanted, a UCSC track hub over the run's tracks."""
    input:
        tracks=browser_files(),
        peaks=[path for path in browser_files() if path.endswith("peaks.bed")],
    output:
        igv=f"{BROWSER}/igv.xml",
        igv_js=f"{BROWSER}/igv.json",
        bigbed=bigbed_files(),
        hub=hub_files(),
    log:
        f"{RESULTS}/logs/report_browser.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_browser.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(1000),
        runtime=30,
    params:
        root=root_folder,
        settings=settings("report"),
    script:
        "../../scripts/report_browser.py"


rule report_page:
    """Write the page of the run from its merged products."""
    input:
        products=[path for path in PLAN.products() if path != f"{RESULTS}/report.html"],
        dropped=f"{RESULTS}/dropped_regions.tsv",
        provenance=f"{RESULTS}/provenance.json",
        # Of them the plan knows sessions and hub alone, and nobody else asks for the others.
        browser=bigbed_files() + hub_files() if PLAN.is_genome else [],
        given=given_files(),
    output:
        html=report(
            f"{RESULTS}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"what": "the page of the run"},
        ),
        figures=own_figures(),
        copies=figure_copies(*own_figures()),
        targets=[f"{RESULTS}/{path}" for path in target_pages(PLAN)],
    log:
        f"{RESULTS}/logs/report_page.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_page.tsv"
    localrule: IS_SMALL
    conda:
        ENVIRONMENT
    resources:
        mem_mb=mem_mb(2000),
        runtime=60,
    params:
        root=root_folder,
        settings=page_key(PLAN, "report"),
    script:
        "../../scripts/report_page.py"
