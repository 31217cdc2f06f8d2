"""The trace: its grammar and its typed steps."""
