"""From a query to an answer: serving context, recommenders, the answer and its words."""
