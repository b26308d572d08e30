#!/usr/bin/env bash
# Train on Flickr landscapes at 1024x1024 pixels, from networks trained at 512x512 (scripts/train_512.sh) or 256x256.
#
#   bash scripts/train_1024.sh --load_pretrained checkpoints/flickr_512 --load_what_fits [flags of train.py]
#
# What changes beside 512 pixels:
#   --load_size 1144 --crop_size 1024   crops of photos and label maps of 1144 pixels across
#   --num_upsampling_layers most        seven doublings: the first map keeps its 8x8 values, and G has one more block,
#                                       up_4, which starts from new weights, as the last convolution does
#   --num_D 4                           one more discriminator again
#
# The other flags are explained in train_512.sh. Flags given here win, and relative paths are seen from the root of the
# repository. --continue_train goes on after an interruption.
#
# Memory of a GPU, counted for the batch of 8: 8 images on one GPU of 80 GB, 4 each on two of 40 GB, 2 each on four of
# 24 GB, 1 each on eight of 16 GB. `python -m scripts.benchmark memory` with these flags counts it for others. Time: not
# measured. Several GPUs: torchrun --nproc_per_node N train.py with these flags, or --gpu_ids 0,1.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

python train.py --name flickr_1024 --dataset_mode flickr --use_vae \
  --load_size 1144 --crop_size 1024 --num_upsampling_layers most --num_D 4 \
  --batch_size 8 --precision bf16 --checkpoint_activations --niter 50 --niter_decay 0 "$@"
