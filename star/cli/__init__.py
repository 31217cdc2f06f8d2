"""The `star` command, one module for each group of commands."""
