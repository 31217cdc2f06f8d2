"""Annotations out and in: exports, imports, training data."""
