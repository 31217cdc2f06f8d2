"""Measurements on trained students and baselines."""
