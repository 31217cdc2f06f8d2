"""Methods that rank candidates: baselines, the student as a ranker, the list of them all."""
