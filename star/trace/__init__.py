"""The trace: its grammar, its typed steps, which evidence it cites."""
