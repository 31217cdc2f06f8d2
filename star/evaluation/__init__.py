"""Measurements of answers: rankings on tasks, trace quality, erasure, counterfactuals, reports."""
