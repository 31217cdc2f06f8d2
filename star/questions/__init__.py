"""Questions to a recommendation: why this and not that, what if, and what carries it."""
