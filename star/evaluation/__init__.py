"""How good an answer is: rankings on tasks, traces, erasure, counterfactuals, reports."""
