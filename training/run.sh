#!/usr/bin/env bash
# The whole chain for a checkpoint. Configs are gone through in turn, each starting from what the one before has made; without
# any, those of demo: training/run.sh training/configs/demo.yaml training/configs/demo-further.yaml
# The CPU or one GPU, whichever there is. Data sets and large bases on several GPUs: training/configs/qwen3-0.6b.yaml.
# A data set of one's own (star import … --name NAME): training/run.sh --dataset NAME, which is training/configs/own.yaml for it.
# Every stage goes on where it was stopped; delete its folder under runs/ to begin anew.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --dataset ]; then
  [ $# -eq 2 ] || { echo "training/run.sh --dataset NAME takes one name; got: ${*:2}" >&2; exit 2; }
  mkdir -p "runs/$2"
  sed "s/NAME/$2/" training/configs/own.yaml > "runs/$2/config.yaml"
  set -- "runs/$2/config.yaml"
fi
python=.venv/bin/python
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# For pretraining: keep large blocks instead of giving them back to the system after every step, a quarter of the time
# otherwise, and have them in pages of 2 MB. Not for SFT: its batches differ in length, and the process grew to 13 GB.
keep=(env THP_MEM_ALLOC_ENABLE=1 MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=200000000)
# As many processes train one student as there are GPUs, or STAR_PROCESSES on the CPU.
many=$($python -c "import torch; print(torch.cuda.device_count() or ${STAR_PROCESSES:-1})")
together=("$python" -m torch.distributed.run --standalone --nproc-per-node "$many" -m)

[ $# -gt 0 ] || set -- training/configs/demo.yaml training/configs/demo-further.yaml
for config in "$@"; do
  # 1. Runs of the teacher on training readers, each from the graph of the other folds (minutes; STAR_PROCESSES shares them out).
  $python -m training.trajectories --config "$config" --processes "${STAR_PROCESSES:-1}"
  # 2. Dense pretraining: histories, evidence, the item really read and soft labels (config: sequences).
  "${keep[@]}" "${together[@]}" training.pretrain --config "$config"
  # 3. SFT on the kept trajectories of readers that pretraining did not see; writes the checkpoint (minutes).
  $python -m training.sft --config "$config"
  # 4. Expert-corrected on-policy rollouts, and the ranking conditioned on them (minutes); the checkpoint is replaced.
  "${together[@]}" training.onpolicy --config "$config"
  # 5. If the config asks for it: the mean with the start's weights, and the weight of the parametric prior.
  $python -m training.average --config "$config"
  $python -m training.tune_prior --config "$config" --processes "${STAR_PROCESSES:-1}"
done
