"""Who may ask what of the page."""
