"""Tools that fitted, matched and checked the embedded data set `demo`."""
