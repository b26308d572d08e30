"""The generator for `torch.hub`: torch.hub.load(REPO, "spade_generator", FILE, source="local", label_nc=35)."""

# Modules are imported, not what is in them: torch.hub.list shows every function and class that has a public name.

import os
import pathlib

import torch

from models import weights as weight_files
from models.methods import spade_networks
from models.networks import layout
from options import field, networks, saved, sources, train

dependencies = ["torch", "numpy", "PIL"]


def spade_generator(weights: str | os.PathLike | None = None, **architecture) -> torch.nn.Module:
    """The generator of SPADE in evaluation mode, as a function of labels, instances and z.

    labels (N, H, W) are class ids of any integer type, the unknown class last. instances (N, H, W) are ids of any
    integer type, for networks with `instance`. Both are resized to the images by nearest neighbor. z (N, z_dim) is for
    networks with a latent, and drawn from N(0, 1) where it is not given. Images are (N, 3, crop_size / aspect_ratio,
    crop_size) in [-1, 1].

    Args:
        weights: file of a state dict, such as latest_net_G.pth; random weights by default.
        architecture: options of train.py by name; "options" in options.json of a run are all of them, and those that
            define no network are ignored. By default they are those of COCO-Stuff as published: label_nc=182,
            contain_dontcare_label=True, instance=True, crop_size=256. Others are ngf, norm_G, num_upsampling_layers,
            aspect_ratio, use_vae, random_input, z_dim, conditioning, netG, padding_G, ... As for train.py, z_dim alone
            means a random input.
    Raises:
        ValueError: a value is not allowed, or the weights are those of another architecture; the message is one line.
            Also of the generator, for labels, instances or z that it does not take.
        TypeError: a name is no option of train.py.
    """
    for name in architecture.keys() - field.declared_options(train.TrainOptions).keys():
        raise TypeError(f"{name}: no option of train.py")
    architecture = sources.implied_random_input({"netG": "spade"} | architecture, architecture) | architecture
    names = field.declared_options(_Options)
    given = {name: value for name, value in architecture.items() if name in names}
    opt = _Options(**{"contain_dontcare_label": True, "crop_size": 256, **given})
    netG = spade_networks.create_generator(opt)
    if weights is not None:
        weight_files.load_network(netG, pathlib.Path(weights))
    return _LabelMapGenerator(netG, opt).eval()


def landscapes() -> torch.nn.Module:
    """The generator of drawn landscapes that comes with this repository, as `spade_generator` describes it.

    models/pretrained/landscapes/README.md says what it was trained on and how good it is. Labels are 0..18 in the order
    of `data.landscape.CLASS_NAMES`, 18 where there is no class; instances may be the labels once more; z is (N, 16).
    Images are 256x256.
    """
    run = pathlib.Path(__file__).parent / "models" / "pretrained" / "landscapes"
    return spade_generator(run / "latest_net_G.pth", **saved.load_saved(run / saved.SAVED_NAME))


class _Options(networks.NetworkOptions):
    """What defines a generator."""

    is_train = False
    program = "torch.hub"
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
        for name, ids in (("labels", labels), ("instances", instances)):
            if ids is not None and (ids.ndim != 3 or ids.shape != labels.shape or ids.numel() == 0):
                raise ValueError(f"{name} {tuple(ids.shape)}: must be (N, H, W), those of all maps the same")
            if ids is not None and (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool):
                raise ValueError(f"{name} {ids.dtype}: must be integers")
        if not 0 <= int(labels.min()) <= int(labels.max()) < self.num_labels:
            found = int(labels.min()), int(labels.max())
            raise ValueError(f"labels {found[0]}..{found[1]}: must be 0..{self.num_labels - 1}")
        if z is not None and z.shape != (len(labels), self.netG.z_dim):
            takes = "has no latent" if self.netG.z_dim is None else f"takes ({len(labels)}, {self.netG.z_dim})"
            raise ValueError(f"z {tuple(z.shape)}: this network {takes}")
        if z is not None and (z.dtype != torch.float32 or not z.isfinite().all()):
            raise ValueError(f"z {z.dtype}: must be finite numbers of torch.float32")
        return self.netG(layout.SemanticLayout.from_instances(labels, instances, self.num_labels), z)
