"""Convolutions over sequences that run near the machine's peak."""
