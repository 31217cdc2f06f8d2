"""STAR: an explainable recommender over a verbalised collaborative subgraph (arXiv 2602.09829)."""
