"""Imported first by what imports much, as every job does: Python's collector then looks seldom.

A job loads some 100,000 objects that live as long as it does. The collector would go through them
again and again meanwhile, a tenth of the start of a job and a fifth of the import of torch.
"""

import gc

gc.set_threshold(50_000, 20, 100)
