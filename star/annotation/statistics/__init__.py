"""Statistics of ratings: agreement, reliability, preferences between systems, annotator quality."""
