"""upload: the complete run in S3, where the config says so."""


include: "functions/upload.smk"


if PLAN.config.upload is not None:

    localrules:
        upload,

    rule upload:
        """Copy what the run leaves to its user; chunks and logs stay in the working folder."""
        input:
            products=PLAN.products(),
            dropped=f"{RESULTS}/dropped_regions.tsv",
            provenance=f"{RESULTS}/provenance.json",
        output:
            folder=uploaded(),
        log:
            f"{RESULTS}/logs/upload.log",
        conda:
            ENVIRONMENT
        params:
            root=root_folder,
        script:
            "../../scripts/upload.py"
