#!/usr/bin/env bash
# Train on Flickr landscapes with the settings of the paper: 50 epochs at one learning rate, batches of 32, 256x256
# pixels, with the encoder, so that one label map has many images.
#
#   bash scripts/train_flickr.sh [flags of train.py]      after: bash scripts/download_flickr.sh LIST
#
# Flags given here win, and relative paths are seen from the root of the repository:
#   bash scripts/train_flickr.sh --dataroot /data/flickr  files that are elsewhere
#   bash scripts/train_flickr.sh --batch_size 4           for a GPU that cannot hold 32 images at once
#   bash scripts/train_flickr.sh --continue_train         go on after an interruption
#
# Memory and time: not measured yet. The paper used 8 GPUs of 32 GB each, 4 images on each. Its set had 40,000 images to
# train on. The loss of the encoder is a sum over the batch, as published: a smaller batch weighs it less.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

# Sizes and classes come with the preset; the loss weights are the defaults.
python train.py --name flickr --dataset_mode flickr --use_vae --batch_size 32 --niter 50 --niter_decay 0 "$@"
