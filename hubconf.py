"""The generator for `torch.hub`: torch.hub.load(REPO, "spade_generator", FILE, source="local", label_nc=35)."""

# Modules are imported, not what is in them: torch.hub.list shows every function and class that has a public name.

import os
import pathlib

import torch

from models import weights as weight_files
from models.methods import spade_networks
from models.networks import layout
from options import networks

dependencies = ["torch", "numpy", "PIL"]


def spade_generator(weights: str | os.PathLike | None = None, **architecture) -> torch.nn.Module:
    """The generator of SPADE in evaluation mode, as a function of labels, instances and z.

    labels (N, H, W) are class ids of any integer type, the unknown class last. instances (N, H, W) are ids of any
    integer type, for networks with `instance`. z (N, z_dim) is for networks with a latent, and drawn from N(0, 1) where
    it is not given. Images are (N, 3, crop_size / aspect_ratio, crop_size) in [-1, 1].

    Args:
        weights: file of a state dict, such as latest_net_G.pth; random weights by default.
        architecture: options of train.py by name; options.json of a run holds them. By default they are those of
            COCO-Stuff as published: label_nc=182, contain_dontcare_label=True, instance=True, crop_size=256. Others
            are ngf, norm_G, num_upsampling_layers, aspect_ratio, use_vae, z_dim, conditioning, netG, padding_G, ...
    Raises:
        ValueError: a value is not allowed, or the weights are those of another architecture; the message is one line.
        TypeError: a name is no option of the networks.
    """
    opt = _Options(**{"contain_dontcare_label": True, "crop_size": 256, **architecture})
    netG = spade_networks.create_generator(opt)
    if weights is not None:
        weight_files.load_network(netG, pathlib.Path(weights))
    return _LabelMapGenerator(netG, opt).eval()


class _Options(networks.NetworkOptions):
    """What defines a generator."""

    is_train = False
    modulation = None

    def check(self) -> None:
        super().check()
        if self.method not in networks.SPADE_GENERATORS:
            raise ValueError(f"method {self.method}: must be one of {', '.join(networks.SPADE_GENERATORS)}")


class _LabelMapGenerator(torch.nn.Module):
    """`netG`, a network whose state dict is that of weight files, as a function of label maps."""

    def __init__(self, netG: torch.nn.Module, opt: _Options):
        super().__init__()
        self.netG = netG
        self.num_labels = opt.num_labels
        self.instance = opt.instance

    def forward(
        self, labels: torch.Tensor, instances: torch.Tensor | None = None, z: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See `spade_generator`."""
        if self.instance != (instances is not None):
            raise ValueError(
                f"instances: {'needed' if self.instance else 'not taken'} by networks of this architecture"
            )
        return self.netG(layout.SemanticLayout.from_instances(labels, instances, self.num_labels), z)
