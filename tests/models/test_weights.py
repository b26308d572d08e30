"""Weight files: loading, and errors that name the option to change."""

import os
import re

import pytest
import torch

from models.networks.crn import CRNGenerator, module_channels
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.encoder import ConvEncoder
from models.networks.generators import Pix2PixHDGenerator, SPADEGenerator
from models.networks.oasis import OASISDiscriminator, OASISGenerator
from models.networks.pix2pix import PatchDiscriminator, UNetGenerator
from models.networks.pix2pixhd import FeatureEncoder, GlobalGenerator, LocalEnhancer, Pix2PixHDDiscriminator
from models.networks.sims import SIMSGenerator, Widths
from models.networks.variants import ConcatHDResnetBlock, ConcatResnetBlock, PlainResnetBlock
from models.weights import load_network, load_what_fits
from util.errors import InputError


def spade(semantic_nc=5, ngf=2, norm="spectralspadesyncbatch3x3", latent_size=(2, 2), **kwargs):
    return SPADEGenerator(semantic_nc, ngf, norm, latent_size, **kwargs)


def plain(block, semantic_nc=5):
    return SPADEGenerator(semantic_nc, 2, "spectralsyncbatch", (2, 2), block=block)


def saved(network, path, change=lambda state: state):
    torch.save(change(dict(network.state_dict())), path)
    return path


def test_a_state_dict_is_loaded_whole(tmp_path):
    original, other = spade(), spade()
    load_network(other, saved(original, tmp_path / "latest_net_G.pth"))
    for name, tensor in original.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_files_of_old_versions_and_parallel_wrappers_load(tmp_path):
    def as_of_2019(state):
        return {f"module.{name}": t for name, t in state.items() if not name.endswith("num_batches_tracked")}

    original, other = spade(), spade()
    path = saved(original, tmp_path / "old.pth", as_of_2019)
    torch.save(torch.load(path, weights_only=True), path, _use_new_zipfile_serialization=False)
    load_network(other, path)
    assert torch.equal(other.fc.weight, original.fc.weight)


def test_statistics_that_old_instance_norms_saved_are_dropped(tmp_path):
    """PyTorch before 0.4, which saved the released pix2pixHD, stored them for norms that do not use them."""

    def as_of_2017(state):
        return state | {f"model.2.running_{kind}": torch.rand(2) for kind in ("mean", "var")}

    original, other = GlobalGenerator(5, 2, 1, 1), GlobalGenerator(5, 2, 1, 1)
    load_network(other, saved(original, tmp_path / "latest_net_G.pth", as_of_2017))
    for name, tensor in original.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name
    with pytest.raises(InputError, match=r"batch norm \(--norm_G\) is True in the file and False here"):
        load_network(other, saved(GlobalGenerator(5, 2, 1, 1, "batch"), tmp_path / "batch.pth"))


@pytest.mark.parametrize(
    "in_file, here, option",
    [
        (lambda: spade(5), lambda: spade(6), r"semantic channels .*--label_nc.* is 5 in the file and 6 here"),
        (lambda: spade(ngf=4), lambda: spade(ngf=2), "--ngf is 4 in the file and 2 here"),
        (lambda: spade(norm="spadebatch3x3"), spade, "spectral norm .* is False in the file and True here"),
        (lambda: spade(norm="spectralspadeinstance3x3"), spade, "batch statistics .* is False in the file"),
        (lambda: spade(norm="spectralspadesyncbatch5x5"), spade, "SPADE kernel .* is 5x5 in the file and 3x3 here"),
        (
            lambda: spade(z_dim=4),
            spade,
            r"latent \(--use_vae or --random_input\) is True in the file and False here",
        ),
        (lambda: plain(ConcatResnetBlock), spade, "--conditioning is concat in the file and spade here"),
        (spade, lambda: plain(PlainResnetBlock), "--conditioning is spade in the file and none here"),
        (lambda: plain(PlainResnetBlock, 5), lambda: plain(PlainResnetBlock, 6), "channels .* is 5 in the file and 6"),
        (
            lambda: plain(ConcatResnetBlock, 5),
            lambda: plain(ConcatResnetBlock, 6),
            "channels .* is 5 in the file and 6",
        ),
        (
            lambda: Pix2PixHDGenerator(5, 2, "spectralspadesyncbatch3x3", n_blocks=1),
            lambda: Pix2PixHDGenerator(5, 2, "spectralsyncbatch", n_blocks=1),
            "--conditioning is spade in the file and none here$",
        ),
        (
            lambda: Pix2PixHDGenerator(5, 2, n_blocks=1, block=ConcatHDResnetBlock),
            lambda: Pix2PixHDGenerator(5, 2, n_blocks=1),
            "--conditioning is concat in the file and none here$",
        ),
        (lambda: spade(z_dim=4), lambda: spade(z_dim=8), "--z_dim is 4 in the file and 8 here"),
        (
            lambda: spade(z_dim=4),
            lambda: spade(z_dim=4, latent_size=(4, 4)),
            "latent positions .*--crop_size.* is 4 in the file and 16 here",
        ),
        (lambda: spade(num_upsampling_layers="most"), spade, "--num_upsampling_layers most is True in the file"),
        (lambda: Pix2PixHDGenerator(5, 2), spade, "--netG is pix2pixhd in the file and spade here"),
        (
            lambda: Pix2PixHDGenerator(5, 2, n_downsample=2, n_blocks=3),
            lambda: Pix2PixHDGenerator(5, 2, n_downsample=3, n_blocks=4),
            "--resnet_n_blocks is 3 in the file and 4 here; --resnet_n_downsample is 2 in the file and 3 here",
        ),
        (
            lambda: UNetGenerator(5, 2, 6),
            lambda: UNetGenerator(5, 4, 7, "instance"),
            r"^.*--ngf is 2 in the file and 4 here; number of levels \(--crop_size.*\) is 6 in the file and 7 here; "
            r"batch norm \(--norm_G\) is True in the file and False here$",
        ),
        (lambda: UNetGenerator(5, 2, 5), spade, "--method is pix2pix in the file and spade here"),
        (
            lambda: PatchDiscriminator(5, 2),
            lambda: PatchDiscriminator(6, 2, "instance", n_layers=2),
            r"channels .* is 8 in the file and 9 here; --n_layers_D is 3 in the file and 2 here; batch norm \(--norm_D",
        ),
        (
            lambda: CRNGenerator(5, module_channels(16, 4), 9),
            lambda: CRNGenerator(6, module_channels(32, 2), 1),
            r"\(--crn_channels\) is 4 in the file and 2 here; number of labels .* is 5 in the file and 6 here; "
            r"--crn_images is 9 in the file and 1 here; height .*--crop_size.* is 16 in the file and 32 here$",
        ),
        (
            lambda: OASISGenerator(5, 2, z_dim=3),
            lambda: OASISGenerator(6, 4, "spectralspadeinstance1x1", z_dim=3),
            "--ngf is 2 in the file and 4.* noise .*--z_dim.* is 8 .* and 9 here; SPADE kernel .* 3x3 .* and 1x1",
        ),
        (
            lambda: OASISDiscriminator(5, 1),
            lambda: OASISDiscriminator(6, 2),
            "--ndf is 1 in the file and 2 here; number of labels .* is 5 in the file and 6 here$",
        ),
        (
            lambda: MultiscaleDiscriminator(5, 2, num_D=3),
            lambda: MultiscaleDiscriminator(5, 2, n_layers=3),
            "--num_D is 3 in the file and 2 here; --n_layers_D is 4 in the file and 3 here",
        ),
        (lambda: ConvEncoder(64, 2), lambda: ConvEncoder(128, 2), r"number of layers \(--crop_size\) is 4"),
        (
            lambda: SIMSGenerator(5, 64, widths=Widths.scaled(2)),
            lambda: SIMSGenerator(6, 128, widths=Widths.scaled(1)),
            "--sims_width is 2 in the file and 1 here; .*--label_nc.* is 5 in .* 6 here; .*--crop_size.* is 64 .* 128",
        ),
        (
            lambda: Pix2PixHDGenerator(5, 2),
            lambda: GlobalGenerator(5, 2),
            "--method is spade in the file and pix2pixhd",
        ),
        (lambda: LocalEnhancer(5, 2), lambda: GlobalGenerator(5, 2), "--netG is local in the file and global here"),
        (
            lambda: GlobalGenerator(5, 2, 2, 3, feat_num=3),
            lambda: GlobalGenerator(5, 2, 3, 4, "batch"),
            r"input channels .* is 8 in the file and 5 here; --n_blocks_global is 3 .* and 4 here; "
            r"batch norm \(--norm_G\) is False .* and True here; --n_downsample_global is 2 .* and 3 here",
        ),
        (
            lambda: LocalEnhancer(5, 2, 1, 1, 2, 1),
            lambda: LocalEnhancer(5, 4, 1, 1, 1, 3),
            "--ngf is 2 .* and 4 here; --n_local_enhancers is 2 .* and 1 here; --n_blocks_local is 1 .* and 3 here",
        ),
        (
            lambda: FeatureEncoder(3, 2, 2),
            lambda: FeatureEncoder(2, 4, 1),
            "--feat_width is 2 .* and 4 here; --feat_num is 3 .* and 2 here; --n_downsample_E is 2 .* and 1 here",
        ),
        (
            lambda: Pix2PixHDDiscriminator(5, 2, num_D=3),
            lambda: Pix2PixHDDiscriminator(5, 4, n_layers=4),
            "--ndf is 2 .* and 4 here; --num_D is 3 .* and 2 here; --n_layers_D is 3 .* and 4 here",
        ),
    ],
)
def test_a_file_of_another_architecture_names_the_option(in_file, here, option, tmp_path):
    path = saved(in_file(), tmp_path / "net.pth")
    network = here()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InputError) as error:
        load_network(network, path)
    assert re.search(option, str(error.value)), error.value
    assert str(path) in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_an_unexplained_difference_still_names_an_entry(tmp_path):
    state = spade().state_dict()
    del state["up_3.conv_1.bias"]
    path = tmp_path / "net.pth"
    torch.save(state, path)
    with pytest.raises(InputError, match=r"1 entries differ; up_3.conv_1.bias is missing"):
        load_network(spade(), path)


def test_truncated_files_are_refused(tmp_path):
    path = saved(spade(), tmp_path / "net.pth")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="not a readable PyTorch weight file"):
        load_network(spade(), path)


@pytest.mark.parametrize("content", [b"", b"text", b"<html>not found</html>", b"PK\x03\x04", bytes(100)])
def test_files_of_other_kinds_are_refused(content, tmp_path):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"net.pth: (not a readable PyTorch weight file|would run)"):
        load_network(spade(), tmp_path / "net.pth")


def test_code_in_a_file_is_never_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"fc.weight": Attack()}, tmp_path / "net.pth")
    with pytest.raises(InputError):
        load_network(spade(), tmp_path / "net.pth")
    assert not (tmp_path / "ran").exists()


def test_something_else_than_a_state_dict_is_refused(tmp_path):
    torch.save({"epoch": 3, "net": {"a": torch.zeros(1)}}, tmp_path / "net.pth")
    with pytest.raises(InputError, match="something other than a state dict"):
        load_network(spade(), tmp_path / "net.pth")


def test_a_larger_network_takes_what_fits_of_a_smaller_one(tmp_path):
    """The global generator of pix2pixHD is inside the local one; its last layer has no place there."""
    small, large = GlobalGenerator(5, 4, 1, 1), LocalEnhancer(5, 2, 1, 1)
    before = {name: tensor.clone() for name, tensor in large.state_dict().items()}
    line = load_what_fits(large, saved(small, tmp_path / "latest_net_G.pth"))
    inside = len(small.state_dict()) - 2
    new = f"{len(before) - inside} of {len(before)} entries of the network start from new weights: model1_1, model1_2"
    assert f"{inside} of {inside + 2} entries of the file taken; {new}; 2 of {inside + 2} entries of the file" in line
    assert "--netG is global in the file and local here" in line
    for name, tensor in large.state_dict().items():
        assert torch.equal(tensor, small.state_dict().get(name, before[name])), name


def test_a_generator_with_more_doublings_takes_all_but_its_last_layers(tmp_path):
    path = saved(spade(ngf=4), tmp_path / "latest_net_G.pth")
    large = spade(ngf=4, num_upsampling_layers="most")
    line = load_what_fits(large, path)
    assert "entries of the network start from new weights: up_4, conv_img.weight; 1 of" in line
    assert line.endswith(
        "of the file are not used: conv_img.weight; --num_upsampling_layers most is False in the file and True here"
    )
    state, small = large.state_dict(), torch.load(path, weights_only=True)
    assert all(torch.equal(state[name], tensor) for name, tensor in small.items() if name != "conv_img.weight")
    load_network(spade(ngf=4, num_upsampling_layers="more"), path)  # has no other layers


def test_a_discriminator_with_more_scales_keeps_the_resolutions_of_the_old_ones(tmp_path):
    """Number 1 of three sees images of 512 pixels at 256, as number 0 of two saw images of 256."""
    path = saved(MultiscaleDiscriminator(5, 2, num_D=2), tmp_path / "latest_net_D.pth")
    large = MultiscaleDiscriminator(5, 2, num_D=3)
    finest = {name: tensor.clone() for name, tensor in large.discriminator_0.state_dict().items()}
    line = load_what_fits(large, path)
    assert "(discriminator_0 of the file as discriminator_1, of the same resolution)" in line
    new = f"{len(finest)} of {len(large.state_dict())} entries of the network start from new weights: discriminator_0"
    assert line.endswith(f"{new}; --num_D is 2 in the file and 3 here")
    state, small = large.state_dict(), torch.load(path, weights_only=True)
    for name in finest:
        assert torch.equal(state[f"discriminator_0.{name}"], finest[name])
        assert torch.equal(state[f"discriminator_1.{name}"], small[f"discriminator_0.{name}"])
        assert torch.equal(state[f"discriminator_2.{name}"], small[f"discriminator_1.{name}"])


def test_scales_of_the_file_that_the_network_lacks_are_named(tmp_path):
    path = saved(MultiscaleDiscriminator(5, 2, num_D=2), tmp_path / "latest_net_D.pth")
    small = MultiscaleDiscriminator(5, 2, num_D=1)
    count = len(small.state_dict())
    assert load_what_fits(small, path) == (
        f"{path}: {count} of {2 * count} entries of the file taken; {count} of {2 * count} entries of the file are not "
        "used: discriminator_1; --num_D is 2 in the file and 1 here"
    )


def test_a_file_for_the_same_options_is_taken_as_a_whole(tmp_path):
    small, count = spade(ngf=2), len(spade(ngf=2).state_dict())
    path = saved(spade(ngf=2), tmp_path / "latest_net_G.pth")
    assert load_what_fits(small, path) == f"{path}: {count} of {count} entries of the file taken"


def test_a_wider_network_is_refused_as_nearly_nothing_fits(tmp_path):
    path, wide = saved(spade(ngf=2), tmp_path / "latest_net_G.pth"), spade(ngf=4)
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    with pytest.raises(
        InputError, match=r"only \d+ of \d+ entries of the file fit, .*: --ngf is 2 in the file and 4 here"
    ):
        load_what_fits(wide, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in wide.state_dict().items())


def test_a_network_of_another_kind_has_nothing_that_fits(tmp_path):
    path = saved(GlobalGenerator(5, 2), tmp_path / "latest_net_G.pth")
    with pytest.raises(
        InputError, match=r"only 0 of .* fit, too few to start from: --method is pix2pixhd in the file and spade here"
    ):
        load_what_fits(spade(), path)
