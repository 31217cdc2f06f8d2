#!/usr/bin/env bash
# The whole chain for a checkpoint, from one config:
#   training/run.sh --config training/configs/star.yaml       # the checkpoint that ships; needs goodbooks
#   training/run.sh                                           # training/configs/demo.yaml, from this repository alone
# Every stage goes on where it was stopped; delete its folder under the config's `runs` to begin it again.
set -euo pipefail
cd "$(dirname "$0")/.."
config=training/configs/demo.yaml
if [ $# -gt 0 ]; then
  [ "$1" = --config ] && [ $# -eq 2 ] || { echo "training/run.sh takes --config FILE; got: $*" >&2; exit 2; }
  config=$2
fi
python=.venv/bin/python
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# 1. Candidate lists of data sets and drawn universes, with evidence and soft targets.
$python -m training.trajectories --config "$config"
# 2. Supervised training on them, for as many minutes as the config says.
$python -m training.sft --config "$config"
# 3. GRPO on the student's own answers, if the config asks for it; writes the checkpoint to the config's `out`.
$python -m training.grpo --config "$config"
