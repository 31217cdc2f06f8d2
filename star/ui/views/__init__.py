"""Pure functions from data to escaped HTML."""
