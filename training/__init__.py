"""Training stages, each run as ``python -m training.STAGE --config FILE``; `run.sh` has their order."""
