"""Calls of a network, recorded once and run faster; what is not taken says why."""
