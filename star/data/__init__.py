"""The data a recommender learns from: catalogue, interactions, data sets, tasks, importers."""
