#!/usr/bin/env bash
# Train on Cityscapes with the settings of the paper: 200 epochs, over the last 100 of which the learning rate falls to
# zero, batches of 32, 512x256 pixels.
#
#   bash scripts/train_cityscapes.sh [flags of train.py]  after: bash scripts/download_cityscapes.sh
#
# Flags given here win, and relative paths are seen from the root of the repository:
#   bash scripts/train_cityscapes.sh --dataroot /data/cityscapes    files that are elsewhere
#   bash scripts/train_cityscapes.sh --batch_size 2       for a GPU that cannot hold 32 images at once
#   bash scripts/train_cityscapes.sh --continue_train     go on after an interruption
#
# Memory and time: not measured yet. The paper used 8 GPUs of 32 GB each, 4 images on each. An epoch has 2,975 images.
# Most of the reading is decoding 2048x1024 PNGs; --cache_dir DIR does that once.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

# Sizes, classes and instance maps come with the preset, whose batch of 16 is half of the paper's.
python train.py --name cityscapes --dataset_mode cityscapes --batch_size 32 --niter 100 --niter_decay 100 "$@"
