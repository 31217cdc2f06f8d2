"""Documentation, and the commands that write its generated parts."""
