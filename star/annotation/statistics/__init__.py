"""What ratings tell: agreement, reliability, preferences between systems, annotator quality."""
