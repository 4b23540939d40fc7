"""DeepLIFT's rescale rule for every operation that a model runs, whoever wrote the call.

`tracing` intercepts operations below autograd, where a module, a function, a method, an operator
and an exported graph all arrive as the same ATen call. `rules` says what is done with each of
them, `registration` what a user says of theirs, `passes` runs a model over examples once and then
over one reference each.
"""
