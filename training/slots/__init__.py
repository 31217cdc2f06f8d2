"""The student whose items are slots of the query: its lists, language, network and training."""
