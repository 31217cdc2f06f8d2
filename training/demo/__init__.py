"""The embedded data set: fitted, matched and checked."""
