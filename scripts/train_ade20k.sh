#!/usr/bin/env bash
# Train on ADE20K with the settings of the paper: 200 epochs, over the last 100 of which the learning rate falls to
# zero, batches of 32, 256x256 pixels.
#
#   bash scripts/train_ade20k.sh [flags of train.py]      after: bash scripts/download_ade20k.sh
#
# Flags given here win, and relative paths are seen from the root of the repository:
#   bash scripts/train_ade20k.sh --dataroot /data/ade     files that are elsewhere
#   bash scripts/train_ade20k.sh --batch_size 4           for a GPU that cannot hold 32 images at once
#   bash scripts/train_ade20k.sh --continue_train         go on after an interruption
#   bash scripts/train_ade20k.sh --name ade20k_outdoor --dataset_mode ade20k_outdoor
#
# Memory and time: not measured yet. The paper used 8 GPUs of 32 GB each, 4 images on each. An epoch has 20,210 images.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

# Sizes and classes come with the preset; the loss weights are the defaults.
python train.py --name ade20k --dataset_mode ade20k --batch_size 32 --niter 100 --niter_decay 100 "$@"
