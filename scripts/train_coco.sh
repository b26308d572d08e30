#!/usr/bin/env bash
# Train on COCO-Stuff with the settings of the paper: 100 epochs at one learning rate, batches of 32, 256x256 pixels.
#
#   bash scripts/train_coco.sh [flags of train.py]        after: bash scripts/download_coco_stuff.sh
#
# Flags given here win, and relative paths are seen from the root of the repository:
#   bash scripts/train_coco.sh --dataroot /data/coco      files that are elsewhere
#   bash scripts/train_coco.sh --batch_size 4             for a GPU that cannot hold 32 images at once
#   bash scripts/train_coco.sh --continue_train           go on after an interruption
#
# Memory and time: not measured yet. The paper used 8 GPUs of 32 GB each, 4 images on each. An epoch has 118,287 images.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

# Sizes, classes, the unknown class and instance maps come with the preset; the loss weights are the defaults.
python train.py --name coco --dataset_mode coco --batch_size 32 --niter 100 --niter_decay 0 "$@"
