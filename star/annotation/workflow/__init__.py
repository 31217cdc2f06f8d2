"""Who rates what: campaigns, queue, people, sessions, answers, adjudication."""
