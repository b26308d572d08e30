#!/usr/bin/env bash
# Train a small SPADE on painted landscapes for a few minutes, look at scenes it has never seen, and score them.
# A GPU is used if there is one. A second call goes on where the first one stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
setup_venv requirements.txt

# Small in every direction: 128x64 images, narrow networks, 1x1 SPADE kernels, a high learning rate, no VGG-19 to
# download. With the encoder, because a scene has a time of day and a season that its label map does not tell.
network=(--method spade_plus --crop_size 128 --aspect_ratio 2 --ngf 12 --ndf 16 --norm_G spectralspadebatch1x1 --use_vae --z_dim 16)
network+=(--padding_G replicate --upsampling_G bilinear) # fewer lines: docs/quality.md
training=(--batch_size 2 --lr 0.001 --no_vgg_loss --channels_last --print_freq 200 --display_freq 400)
long=(--max_dataset_size 400 --niter 3 --niter_decay 3 --save_latest_freq 400 --auto_resume)
testing=(--how_many 48 --batch_size 8 --channels_last)

python train.py --name quickstart "${network[@]}" "${training[@]}" "${long[@]}"
python test.py --name quickstart "${testing[@]}" --num_styles 2
python -m scripts.compare colors --name quickstart --how_many 48

# What the images are worth, in three steps: an untrained generator, the one above, and the real images.
# They are scored by a segmenter, a small network trained to label real images, and by their distance from real ones.
if [ ! -e checkpoints/segmenter/segmenter.json ]; then
    python -m scripts.segmenter --name segmenter --epochs 6
fi
if [ ! -e checkpoints/untrained/latest_net_G.pth ]; then
    python train.py --name untrained "${network[@]}" "${training[@]}" --max_dataset_size 16 --niter 1 --lr 1e-12 --no_html
fi
python test.py --name untrained "${testing[@]}"
scoring=(--features random --segmenter segmenter --how_many 48 --batch_size 8)
python evaluate.py --name untrained "${scoring[@]}"
python evaluate.py --name quickstart "${scoring[@]}"
real=results/quickstart/test_latest/images/real_image
python evaluate.py --fake "$real" --dataset_mode landscapes --crop_size 128 --aspect_ratio 2 "${scoring[@]}"
python -m scripts.compare untrained quickstart "$real" --output results/quickstart/compare.html
echo "Open these pages in a browser:"
echo "  file://$PWD/results/quickstart/test_latest/index.html"
echo "  file://$PWD/results/quickstart/compare.html"
echo "To paint: python -m scripts.paint --name quickstart, or without --name with the larger model of this repository"
