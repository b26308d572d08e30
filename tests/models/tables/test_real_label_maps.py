"""gamma and beta by table on real label maps, which are of another kind than those that tests make up."""

from dataclasses import replace

import pytest

from data import PRESETS, create_dataset
from models import create_generator
from models.folding import fold_norms
from models.networks.layout import SemanticLayout
from models.tables import sites_of
from options import TrainOptions, parse_options
from util.fill import fill

LARGEST_DIFFERENCE = 1e-4
"""Of an image in 32 bits, relative to its largest value."""


@pytest.mark.parametrize("mode, folder", [("coco", "coco_stuff"), ("cityscapes", "cityscapes")])
def test_images_of_real_label_maps_are_those_of_the_dense_path(shared_data, mode, folder):
    flags = f"--dataset_mode {mode} --dataroot {shared_data / folder} --ngf 4 --no_vgg_loss"
    opt = parse_options(TrainOptions, flags.split(), PRESETS)
    networks = [create_generator(replace(opt, modulation=modulation)) for modulation in ("dense", "table", None)]
    for network in networks:
        fill(network.requires_grad_(False), seed=0)
        fold_norms(network.eval())
    for sample in [create_dataset(opt)[i] for i in range(2)]:
        instances = sample["instances"][None] if opt.instance else None
        layout = SemanticLayout.from_instances(sample["labels"][None], instances, opt.num_labels)
        assert sites_of(layout, *networks[0].output_size, 3) is not None
        dense, *by_table = (network(layout) for network in networks)
        assert dense.std() > 0.01
        for image in by_table:
            assert (image - dense).abs().max() < LARGEST_DIFFERENCE * dense.abs().max()
