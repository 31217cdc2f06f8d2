"""Training stages, each run as ``python -m training.<stage> --config FILE``; `run.sh` has their order."""
