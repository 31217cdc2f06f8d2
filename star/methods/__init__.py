"""Methods that rank candidates: baselines, fusion, the student, and the registry of their names."""
