"""Zero-shot scores of DNA language models."""
