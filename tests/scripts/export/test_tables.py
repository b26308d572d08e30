"""Generators by table compute what the definition does, from neighborhoods that are those of `models.tables`."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import PRESETS, create_dataset
from models import create_generator
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout, instance_edges
from models.padding import set_padding
from models.tables.neighborhoods import Neighborhoods
from options import OptionError, TrainOptions, parse_options
from scripts.export import generate
from scripts.export.options import ExportOptions
from scripts.export.tables import TableGraph, input_names, table_facts, use_tables
from util.fill import fill

pytestmark = pytest.mark.tools

maps = st.tuples(
    st.sampled_from([1, 3, 5]), st.integers(1, 2), st.integers(1, 9), st.integers(1, 9),
    st.sampled_from([1, 2, 5, 10**6]), st.sampled_from(["zeros", "replicate"]), st.integers(0, 2**31),
)  # fmt: skip


def assert_same_neighborhoods(labels: torch.Tensor, edges: torch.Tensor, kernel: int, padding: str, num_labels: int):
    """Check that `generate.neighborhoods` tells the same sites apart as the tables do, and says what is in them."""
    theirs = Neighborhoods(kernel, padding_mode=padding)
    ids = theirs.sites(labels, edges).ids.flatten()
    inner, outer, sites = generate.neighborhoods((1 + labels + num_labels * edges).numpy(), kernel, padding)
    assert sites.shape == labels.shape and sites.max() + 1 == len(outer) == len(set(map(tuple, outer)))
    assert not inner[0].any() and len(inner) == len(theirs.inner) == len(set(map(tuple, inner)))
    pairs = set(zip(sites.ravel().tolist(), ids.tolist()))
    assert len(pairs) == len(outer) == len(set(ids.tolist()))
    symbols = torch.cat([torch.zeros(1, dtype=torch.long), 1 + theirs.labels + num_labels * theirs.edges])
    mine, others = map(np.array, zip(*pairs))
    expected = symbols[theirs.inner.contents[theirs.outer.contents[others]]]  # (U, k * k, k * k)
    assert np.array_equal(inner[outer[mine]], expected.numpy())


@settings(max_examples=40)
@given(maps)
def test_neighborhoods_are_those_of_the_tables(drawn):
    """With many labels, the ids of a window do not fit into 64 bits at once."""
    kernel, count, height, width, num_labels, padding, seed = drawn
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_labels, (count, height, width), generator=generator)
    assert_same_neighborhoods(labels, torch.rand(labels.shape, generator=generator) < 0.3, kernel, padding, num_labels)


def test_neighborhoods_by_hand():
    """Six equal pixels in a line: the middle two see the same, the others the border at different distances."""
    inner, outer, sites = generate.neighborhoods(np.full((1, 1, 6), 4), 3, "zeros")
    assert sorted(map(tuple, inner[:, 3:6])) == [(0, 0, 0), (0, 4, 4), (4, 4, 0), (4, 4, 4)] and not inner[:, :3].any()
    assert len(outer) == 5 and sites[0, 0, 2] == sites[0, 0, 3]
    assert inner[outer[sites[0, 0, 0]][3:6], 4].tolist() == [0, 4, 4] and inner[outer[sites[0, 0, 0]][4]][3] == 0
    inner, outer, sites = generate.neighborhoods(np.full((1, 1, 6), 4), 3, "replicate")
    assert len(outer) == 1 and inner[outer[0]].tolist() == [[4] * 9] * 9 and not sites.any()


def test_numbers_of_values_by_hand():
    numbers, count = generate.number(np.array([[7, 7, 5], [5, 9, 7]]))
    assert numbers.tolist() == [[1, 1, 0], [0, 2, 1]] and count == 3


def test_neighborhoods_of_real_label_maps_are_those_of_the_tables(shared_data):
    flags = f"--dataset_mode coco --dataroot {shared_data / 'coco_stuff'} --no_vgg_loss"
    opt = parse_options(TrainOptions, flags.split(), PRESETS)
    dataset = create_dataset(opt)
    for sample in (dataset[0], dataset[3]):
        edges = instance_edges(sample["instances"][None])
        assert_same_neighborhoods(sample["labels"][None], edges, 3, "zeros", opt.num_labels)


GENERATORS = {
    "3x3": "",
    "1x1 without edges": "--no_instance --norm_G spectralspadesyncbatch1x1",
    "instance norm, nearest values": "--norm_G spadeinstance5x5 --padding_G replicate --upsampling_G bilinear",
    "latent": "--no_instance --use_vae --z_dim 5 --num_upsampling_layers more --aspect_ratio 0.5",
}


@pytest.mark.parametrize("kind", GENERATORS)
@torch.no_grad()
def test_a_generator_by_table_computes_what_the_definition_does(kind):
    data = "--dataset_mode custom --label_dir x --image_dir x --instance_dir x --label_nc 4"
    flags = f"{data} --gpu_ids -1 --ngf 2 --modulation dense --crop_size 64 {GENERATORS[kind]}"
    opt = parse_options(TrainOptions, flags.split(), PRESETS)
    dense, by_table = create_generator(opt), create_generator(opt)
    for network in (dense, by_table):
        fill(network, seed=0)
        fold_norms(network.eval())
    facts = table_facts(by_table)
    graph = TableGraph(use_tables(by_table), facts["sizes"], opt.num_labels, opt.instance, torch.float32)
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(opt.num_labels, (2, *dense.output_size), generator=generator)
    labels[:, 5:] = labels[:, 5:6]  # with regions
    inputs = {"labels": labels, "edges": torch.rand(labels.shape, generator=generator) < 0.3}
    metadata = {"neighborhoods": facts, "edges": opt.instance, "num_labels": opt.num_labels}
    prepared = generate.prepare({name: tensor.numpy() for name, tensor in inputs.items()}, metadata)
    assert list(prepared) == input_names(facts["sizes"])
    z = () if dense.z_dim is None else (torch.randn(2, dense.z_dim, generator=generator),)
    images = graph(*map(torch.from_numpy, prepared.values()), *z)
    expected = dense(SemanticLayout(labels, inputs["edges"] if opt.instance else None, opt.num_labels), *z)
    assert expected.std() > 0.05 and (images - expected).abs().max() < 1e-4 * expected.abs().max()


def test_inputs_are_prepared_once():
    facts = {"neighborhoods": {"kernel": 1, "padding": "zeros", "sizes": [[1, 2]]}, "edges": False, "num_labels": 9}
    inputs = {"labels": np.array([[[3, 3, 4, 4], [0, 0, 0, 0]]]), "z": np.zeros((1, 5))}
    prepared = generate.prepare(inputs, facts)
    assert prepared["inner_1x2"].tolist() == [[0], [4], [5]] and prepared["outer_1x2"].tolist() == [[1], [2]]
    assert prepared["sites_1x2"].tolist() == [[[0, 1]]] and prepared["z"] is inputs["z"]
    assert generate.prepare(prepared, facts) == prepared
    assert generate.prepare(inputs, {"neighborhoods": None}) == generate.prepare(inputs, {}) == inputs


def test_sizes_are_those_of_the_feature_maps():
    netG = SPADEGenerator(5, 2, latent_size=(2, 3), num_upsampling_layers="most")
    set_padding(netG, "replicate")
    sizes = [[2 * 2**i, 3 * 2**i] for i in range(8)]
    assert table_facts(netG) == {"kernel": 3, "padding": "replicate", "sizes": sizes}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "torch_export", "output": "x.pt2"}, "for --format onnx only"),
        ({"dynamic_size": True}, "with --dynamic_size a file takes label maps"),
        ({"conditioning": "concat", "norm_G": "spectralsyncbatch"}, "only generators of --netG spade"),
        ({"netG": "pix2pixhd", "conditioning": "none"}, "only generators of --netG spade"),
        ({"method": "oasis"}, "only generators of --netG spade"),
    ],
)
def test_files_that_cannot_have_tables_take_label_maps(changes, reason):
    assert ExportOptions(output="x.onnx").by_table
    assert not ExportOptions(output="x.onnx", modulation="dense").by_table
    options = {"output": "x.onnx", **changes}
    assert not ExportOptions(**options).by_table
    with pytest.raises(OptionError, match=f"--modulation table: {reason}.*; leave it out"):
        ExportOptions(**options, modulation="table")
