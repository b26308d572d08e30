#!/usr/bin/env bash
# Train on Flickr landscapes at 512x512 pixels, from networks trained at 256x256 (scripts/train_flickr.sh).
#
#   bash scripts/train_512.sh --load_pretrained checkpoints/flickr --load_what_fits [flags of train.py]
#
# What changes beside 256 pixels:
#   --load_size 572 --crop_size 512     crops of photos and label maps of 572 pixels across
#   --num_upsampling_layers more        six doublings, so that the first map keeps its 8x8 values, and G its weights
#   --num_D 3                           one more discriminator, for the finest details; it starts from new weights
#   --precision bf16                    half the bits where they are enough; --precision fp32 for GPUs without it
#   --checkpoint_activations            keeps the activations of one block at a time: less memory, a third more time
#
# --load_what_fits takes all else over from the networks at 256, and names what it cannot. Flags given here win, and
# relative paths are seen from the root of the repository. --continue_train goes on after an interruption. Other data: --data data.toml --no_use_vae, from a run of such data at 256.
#
# Memory of a GPU, counted for the batch of 16: 27 GiB on one GPU (of 40 GB); 8 images each on two of 24 GB, 4 each on
# four of 16 GB. `python -m scripts.benchmark memory` with these flags counts it for others. Time: not measured.
# Several GPUs: torchrun --nproc_per_node N train.py with these flags, or --gpu_ids 0,1.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

python train.py --name flickr_512 --dataset_mode flickr --use_vae \
  --load_size 572 --crop_size 512 --num_upsampling_layers more --num_D 3 \
  --batch_size 16 --precision bf16 --checkpoint_activations --niter 50 --niter_decay 0 "$@"
