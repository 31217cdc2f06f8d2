"""Exports, imports and training data from annotations."""
