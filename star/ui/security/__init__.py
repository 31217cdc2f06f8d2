"""Who may send which request to the page."""
