"""Effects of variants: `variant_effects`, scores, nulls, hits of alleles."""
