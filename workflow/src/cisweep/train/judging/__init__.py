"""How good a model is: metrics, baselines, calibration, filters, and what later steps must know."""
