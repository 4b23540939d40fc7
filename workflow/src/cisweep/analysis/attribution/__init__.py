"""Attributions: `deep_lift_shap` and gradients; the windows of a job."""
