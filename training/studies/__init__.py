"""Measurements on trained students and baselines: ablations, tuning grids, simulated raters."""
