#!/usr/bin/env bash
# Train a small SPADE on painted landscapes for a few minutes, then look at scenes it has never seen.
# A GPU is used if there is one. A second call goes on where the first one stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

# Small in every direction: 128x64 images, narrow networks, 1x1 SPADE kernels, a high learning rate, no VGG-19 to
# download. With the encoder, because a scene has a time of day and a season that its label map does not tell.
run=(--name quickstart)
network=(--crop_size 128 --aspect_ratio 2 --ngf 12 --ndf 16 --norm_G spectralspadebatch1x1 --use_vae --z_dim 16)
training=(--max_dataset_size 400 --batch_size 2 --niter 2 --niter_decay 2 --lr 0.001 --no_vgg_loss --channels_last
    --print_freq 200 --display_freq 400 --save_latest_freq 400)
if [ -e checkpoints/quickstart/latest_net_G.pth ]; then
    training+=(--continue_train)
fi
testing=(--how_many 48 --batch_size 8 --num_styles 2 --channels_last)

python train.py "${run[@]}" "${network[@]}" "${training[@]}"
python test.py "${run[@]}" "${testing[@]}"
python scripts/compare_colours.py "${run[@]}" --how_many 48
echo "Open this page in a browser: file://$PWD/results/quickstart/test_latest/index.html"
