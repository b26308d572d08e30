"""The options that a network was built with, as far as names and shapes of its state dict tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

State = Mapping[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]
Facts = dict[str, object]


def describe_architecture(state: State) -> Facts:
    """What the entries of the state dict of a G, D or E tell about it, by option; empty for an unknown network."""
    shapes = {name.replace("weight_orig", "weight"): tuple(tensor.shape) for name, tensor in state.items()}
    norms = {"spectral norm (norm_G, norm_D, norm_E)": any(name.endswith("weight_orig") for name in state)}
    describe = next((describe for entry, describe in _DESCRIPTIONS.items() if entry in shapes), None)
    return {} if describe is None else describe(shapes) | norms


_SEMANTIC_NC = "number of semantic channels (--label_nc + --contain_dontcare_label + --instance)"
_LATENT = "input from a latent (--use_vae or --random_input)"


def _describe_spade(shapes: Shapes) -> Facts:
    wide, joined = shapes["head_0.conv_0.weight"][:2]  # 16 ngf, and as many without concatenated channels
    ngf, shared = wide // 16, shapes.get("head_0.norm_0.mlp_shared.0.weight")
    batch_statistics = {"head_0.norm_0.param_free_norm.running_mean", "head_0.norm_0.running_mean"}
    facts = {
        "--method": "spade",
        "--netG": "spade",
        "--conditioning": "spade" if shared else "concat" if joined > wide else "none",
        "--ngf": ngf,
        "batch statistics (--norm_G)": not batch_statistics.isdisjoint(shapes),
        "--num_upsampling_layers most": "up_4.conv_0.weight" in shapes,
        _LATENT: len(shapes["fc.weight"]) == 2,
    }
    if shared:
        facts |= {_SEMANTIC_NC: shared[1], "SPADE kernel (--norm_G)": f"{shared[2]}x{shared[2]}"}
    else:
        facts[_SEMANTIC_NC] = joined - wide or shapes["fc.weight"][1]
    if facts[_LATENT]:
        rows, z_dim = shapes["fc.weight"]
        positions = "number of latent positions (--crop_size, --aspect_ratio, --num_upsampling_layers)"
        facts |= {"--z_dim": z_dim, positions: rows // (16 * ngf)}
    return facts


def _describe_pix2pixhd(shapes: Shapes) -> Facts:
    first = shapes.get("model.1.weight") or shapes["model.1.0.weight"]
    blocks = sorted({int(match[1]) for name in shapes if (match := re.match(r"model\.(\d+)\.conv_block", name))})
    facts = {
        "--method": "spade",
        "--netG": "pix2pixhd",
        "--conditioning": "none",
        "--ngf": first[0],
        _SEMANTIC_NC: first[1],
        "--resnet_initial_kernel_size": first[2],
        "--resnet_n_blocks": len(blocks),
    }
    if "model.1.1.mlp_shared.0.weight" in shapes:
        facts["--conditioning"] = "spade"
    if blocks:
        kernel = next(
            shape for name, shape in shapes.items() if re.fullmatch(r"model\.\d+\.conv_block\.1(\.0)?\.weight", name)
        )
        if kernel[1] > kernel[0]:  # more channels in than out
            facts["--conditioning"] = "concat"
        # pad, first convolution and its ReLU, then convolution and ReLU per downsampling
        facts |= {"--resnet_n_downsample": (blocks[0] - 3) // 2, "--resnet_kernel_size": kernel[-1]}
    return facts


def _describe_discriminator(shapes: Shapes) -> Facts:
    first = shapes["discriminator_0.model0.0.weight"]
    layers = {int(match[1]) for name in shapes if (match := re.match(r"discriminator_0\.model(\d+)", name))}
    return {
        "--ndf": first[0],
        "number of input channels (--label_nc + --contain_dontcare_label + --instance + 3)": first[1],
        "--num_D": len({name.split(".")[0] for name in shapes}),
        "--n_layers_D": max(layers),
    }


def _describe_encoder(shapes: Shapes) -> Facts:
    layers = [name for name in shapes if re.fullmatch(r"layer\d+(\.0)?\.weight", name)]
    return {
        "--ngf": shapes[layers[0]][0],
        "--z_dim": shapes["fc_mu.weight"][0],
        "number of layers (--crop_size)": len(layers),
    }


def _describe_sims(shapes: Shapes) -> Facts:
    width, in_channels = shapes["g_encoder_conv1_1.0.weight"][:2]
    facts: Facts = {
        "--method": "sims",
        "--sims_width": width,
        "number of labels (--label_nc + --contain_dontcare_label)": in_channels - 4,  # canvas and mask
    }
    for name in shapes:
        if match := re.fullmatch(r"g_semantic_(\d+)_conv100\.weight", name):
            facts["height of the images (--crop_size, --aspect_ratio)"] = int(match[1])
    return facts


_WITH_FEATURES = "number of input channels (--label_nc + --contain_dontcare_label + --instance + features)"


def _describe_global_generator(shapes: Shapes) -> Facts:
    """Of the published pix2pixHD; its encoder of features has the same names."""
    first, blocks = shapes["model.1.weight"], _block_places(shapes, "model")
    if not blocks and first[1] == 3:
        return _describe_feature_encoder(shapes)
    return {"--netG": "global", "--ngf": first[0]} | _describe_global_layers(shapes, first, blocks)


def _describe_local_enhancer(shapes: Shapes) -> Facts:
    enhancers = max(int(match[1]) for name in shapes if (match := re.match(r"model(\d+)_1\.", name)))
    facts = {
        "--netG": "local",
        "--ngf": shapes[f"model{enhancers}_1.1.weight"][0],
        "--n_local_enhancers": enhancers,
        "--n_blocks_local": len(_block_places(shapes, "model1_2")),
    }
    return facts | _describe_global_layers(shapes, shapes["model.1.weight"], _block_places(shapes, "model"))


def _describe_global_layers(shapes: Shapes, first: tuple[int, ...], blocks: list[int]) -> Facts:
    facts: Facts = {
        "--method": "pix2pixhd",
        _WITH_FEATURES: first[1],
        "--n_blocks_global": len(blocks),
        "batch norm (--norm_G)": "model.2.weight" in shapes,
    }
    # pad, then convolution, norm and ReLU of the first layer and per downsampling
    return facts | ({"--n_downsample_global": (blocks[0] - 4) // 3} if blocks else {})


def _block_places(shapes: Shapes, sequence: str) -> list[int]:
    """Places of the residual blocks in an nn.Sequential."""
    matches = (re.fullmatch(rf"{sequence}\.(\d+)\.conv_block\.1\.weight", name) for name in shapes)
    return sorted(int(match[1]) for match in matches if match)


def _describe_feature_encoder(shapes: Shapes) -> Facts:
    convolutions = [shape for shape in shapes.values() if len(shape) == 4]
    return {
        "--feat_width": convolutions[0][0],
        "--feat_num": convolutions[-1][0],
        "--n_downsample_E": len(convolutions) // 2 - 1,
        "batch norm (--norm_G)": "model.2.weight" in shapes,
    }


def _describe_reversed_discriminator(shapes: Shapes) -> Facts:
    """Of the published pix2pixHD."""
    first = shapes["scale0_layer0.0.weight"]
    places = [(int(match[1]), int(match[2])) for name in shapes if (match := re.match(r"scale(\d+)_layer(\d+)", name))]
    return {
        "--method": "pix2pixhd",
        "--ndf": first[0],
        "number of input channels (--label_nc + --contain_dontcare_label + --instance + 3)": first[1],
        "--num_D": 1 + max(scale for scale, _ in places),
        "--n_layers_D": max(layer for _, layer in places) - 1,
        "batch norm (--norm_D)": "scale0_layer1.1.weight" in shapes,
    }


def _describe_unet(shapes: Shapes) -> Facts:
    first = shapes["model.model.0.weight"]
    inner = [name for name in shapes if re.fullmatch(r"model\.model\.1(\.model\.3)*\.model\.1\.weight", name)]
    return {
        "--method": "pix2pix",
        "--ngf": first[0],
        _SEMANTIC_NC: first[1],
        "number of levels (--crop_size, --aspect_ratio)": 1 + len(inner),
        "batch norm (--norm_G)": "model.model.1.model.2.weight" in shapes,
    }


def _describe_patch_discriminator(shapes: Shapes) -> Facts:
    """Of pix2pix."""
    convolutions = [shape for shape in shapes.values() if len(shape) == 4]
    return {
        "--method": "pix2pix",
        "--ndf": convolutions[0][0],
        "number of input channels (--label_nc + --contain_dontcare_label + --instance + 3)": convolutions[0][1],
        "--n_layers_D": len(convolutions) - 2,
        "batch norm (--norm_D)": "model.3.weight" in shapes,
    }


def _describe_crn(shapes: Shapes) -> Facts:
    width, num_labels = shapes["g_4_conv1.0.weight"][:2]
    height, outputs = next((name.split("_")[1], shapes[name][0]) for name in shapes if name.endswith("_conv100.weight"))
    return {
        "--method": "crn",
        "largest number of channels (--crn_channels)": width,
        "number of labels (--label_nc + --contain_dontcare_label)": num_labels,
        "--crn_images": outputs // 3,
        "height of the images (--crop_size, --aspect_ratio)": int(height),
    }


def _describe_oasis(shapes: Shapes) -> Facts:
    shared = shapes["body.0.norm_0.mlp_shared.0.weight"]
    return {
        "--method": "oasis",
        "--ngf": shapes["conv_img.weight"][1],
        f"{_SEMANTIC_NC} and of the noise (--noise_3d, --z_dim)": shared[1],
        "SPADE kernel (--norm_G)": f"{shared[2]}x{shared[2]}",
        "batch statistics (--norm_G)": "body.0.norm_0.first_norm.running_mean" in shapes,
    }


def _describe_segmenting_discriminator(shapes: Shapes) -> Facts:
    """Of OASIS."""
    outputs, width = shapes["layer_up_last.weight"][:2]
    return {
        "--method": "oasis",
        "--ndf": width,
        "number of labels (--label_nc + --contain_dontcare_label)": outputs - 1,  # and fake
    }


_DESCRIPTIONS: Mapping[str, Callable[[Shapes], Facts]] = {
    "head_0.conv_0.weight": _describe_spade,
    "model1_1.1.weight": _describe_local_enhancer,
    "model.4.weight": _describe_global_generator,
    "model.1.weight": _describe_pix2pixhd,
    "model.1.0.weight": _describe_pix2pixhd,
    "discriminator_0.model0.0.weight": _describe_discriminator,
    "scale0_layer0.0.weight": _describe_reversed_discriminator,
    "fc_mu.weight": _describe_encoder,
    "model.model.0.weight": _describe_unet,
    "model.0.weight": _describe_patch_discriminator,
    "g_4_conv1.0.weight": _describe_crn,
    "g_encoder_conv1_1.0.weight": _describe_sims,
    "body.0.conv_0.weight": _describe_oasis,
    "layer_up_last.weight": _describe_segmenting_discriminator,
}
"""Entry of a state dict that tells the kind of network -> its description; the first that is there counts."""
