"""Label maps and latents that stay the same for a whole run: to see its progress, and to measure statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from models.pix2pix_model import Pix2PixModel
from util.distributed import World
from util.inputs import input_of
from util.latents import draw_latents
from util.precision import autocast


@dataclass(frozen=True)
class FixedInput:
    """A batch of label maps and all that is known of them, and latents z (N, z_dim) or None; all on the CPU.

    It has no entries that only losses use.
    """

    batch: dict
    z: Tensor | None

    def images(self, model: Pix2PixModel, netG: nn.Module | None = None, precision: str = "fp32") -> Tensor:
        """Images (N, 3, H, W) that `netG`, or else the generator of `model`, generates; its mode is left as it is."""
        with autocast(precision, model.device):
            z = None if self.z is None else self.z.to(model.device)
            return (netG or model.netG)(model.layout(self.batch), z)


def fixed_inputs(
    batches: Iterable[dict], model: Pix2PixModel, seed: int, world: World | None = None
) -> Iterator[FixedInput]:
    """The `batches` of this process with what `model` needs to generate images, the same for any number of processes.

    Sample i of process r is number i * world.size + r of all samples, and its latent is drawn for that number.
    """
    world = world or World()
    first = 0
    for batch in batches:
        places = range(first, first + len(input_of(batch)) * world.size)
        first = places.stop
        z = None if model.z_dim is None else draw_latents(seed, places[world.rank :: world.size], model.z_dim)[:, 0]
        yield FixedInput({name: value for name, value in batch.items() if name not in model.only_for_losses}, z)


def forward_passes(
    model: Pix2PixModel, inputs: Iterable[FixedInput], precision: str = "fp32"
) -> list[Callable[[nn.Module], Tensor]]:
    """For each input, a function that runs a given generator on it."""
    return [lambda netG, one=one: one.images(model, netG, precision) for one in inputs]
