"""STAR: an explainable recommender over a verbalised collaborative subgraph (arXiv 2602.09829)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""
