"""Training stages: trajectories, pretrain, sft, each run as ``python -m training.<stage> --config FILE``."""
