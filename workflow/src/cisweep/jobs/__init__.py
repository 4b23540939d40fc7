"""What the rules run: one module per step, one function per rule, without Snakemake.

Each function takes, in this order: its scope (cisweep.scope) where it needs the plan; what it
reads; the device; what it writes. More than two kinds of inputs, or more than three products, are
one dataclass whose fields are named as in the rule. Products are written at the paths that are
given, which need not be their final ones. What a function prints is the job's log; what a user
has to see at its end is returned as lines.
"""
