"""Predictions: `predict` and `predict_tiles`; the windows of a job; peaks."""
