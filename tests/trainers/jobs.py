"""What processes of a test do: training on four fixed samples."""

from __future__ import annotations

from functools import partial

import torch

from models.augmentation import POLICIES, DiffAugment
from models.methods.oasis import OASISMethod, OASISModel
from models.methods.spade import SPADEMethod
from models.networks.blocks import SPADEResnetBlock
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.encoder import ConvEncoder
from models.networks.generators import SPADEGenerator
from models.networks.oasis import OASISDiscriminator, OASISGenerator
from models.pix2pix_model import Pix2PixModel
from models.recompute import recomputed
from models.regularization import R1, LeCam, Regularization
from models.shared_statistics import share_statistics
from models.tables import PresentLabelsDiscriminator, TableResnetBlock
from trainers import Pix2PixTrainer
from util.distributed import World

SAMPLES = 4


def make_model(
    vae: bool = False,
    norm_G: str = "spectralspadesyncbatch1x1",
    size: int = 32,
    dense: bool = False,
    recompute: bool = False,
    shared: bool = True,
) -> Pix2PixModel:
    """Networks for three classes and edges; always the same weights.

    Args:
        size: of the images, 32 or more; instance norm in G needs 64, so that its smallest map has several values.
        dense: without tables.
        recompute: with activation checkpointing in G.
        shared: whether norms of G that see the same activations exchange their statistics once.
    """
    torch.manual_seed(0)
    block = SPADEResnetBlock if dense else TableResnetBlock
    if recompute:
        block = recomputed(block) if dense else partial(recomputed(block), recomputes_parts=False)
    netG = SPADEGenerator(4, 2, norm_G, latent_size=(size // 32, size // 32), z_dim=3 if vae else None, block=block)
    if shared:
        share_statistics(netG)
    netE = ConvEncoder(32, 2, z_dim=3) if vae else None
    netD = (MultiscaleDiscriminator if dense else PresentLabelsDiscriminator)(4, 2)
    return Pix2PixModel(netG, netD, netE, num_labels=3).train()


def make_batch(samples: int = SAMPLES, size: int = 32) -> dict:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (samples, size, size), generator=generator)
    image = torch.rand(samples, 3, size, size, generator=generator, dtype=torch.float64) * 2 - 1
    return {"labels": labels, "instances": labels, "image": image.to(torch.get_default_dtype())}


def step_apart(trainer: Pix2PixTrainer, *batches: dict) -> None:
    """One iteration in which each player gets a batch of its own."""
    for player, batch in zip(trainer.players, batches, strict=True):
        player.step(batch, trainer.steps + 1)
    trainer.steps += 1


def for_small_data() -> dict:
    """Settings of a method with augmentation and regularization that all count from the third step on."""
    return {
        "diffaugment": DiffAugment(*POLICIES),
        "regularization": Regularization(R1(1.0, interval=2), LeCam(1.0, start=1)),
    }


def train(
    iterations: int,
    dtype: torch.dtype,
    model: dict,
    settings: dict,
    dense: tuple[bool, ...] = (False,),
    small_data: bool = False,
) -> dict:
    """Losses and weights after some iterations on this process's shard of the four samples.

    Args:
        dense: whether networks are without tables, for each process, or for all.
        small_data: with everything that makes the most of few photos.
    """
    torch.set_default_dtype(dtype)
    world = World.from_environment()
    batch = {name: values[world.rank :: world.size] for name, values in make_batch(size=model.get("size", 32)).items()}
    with world.joined(torch.device("cpu")):
        more = for_small_data() if small_data else {}
        method = SPADEMethod(make_model(**model, dense=dense[world.rank % len(dense)]), **more)
        trainer = Pix2PixTrainer(method, world=world, **settings)
        for _ in range(iterations):
            trainer.step(batch)
        return outcome(trainer)


def train_oasis(accumulate: int) -> dict:
    """The same for OASIS, in 64 bits, with norms that see single images and a class that occurs in one sample alone.

    With augmentation.
    """
    torch.set_default_dtype(torch.float64)
    world, batch = World.from_environment(), make_batch(size=64)
    batch["labels"][0, :32] = 3
    batch = {name: values[world.rank :: world.size] for name, values in batch.items()}
    with world.joined(torch.device("cpu")):
        torch.manual_seed(0)
        netG = OASISGenerator(4, 2, "spectralspadeinstance1x1", latent_size=(2, 2), z_dim=3)
        model = OASISModel(netG, OASISDiscriminator(4, 1), 4, unknown_is_last=False).train()
        del batch["instances"]
        method = OASISMethod(model, unknown=0, diffaugment=DiffAugment(*POLICIES))
        trainer = Pix2PixTrainer(method, world=world, accumulate=accumulate)
        for _ in range(3):
            trainer.step(batch)
        return outcome(trainer)


def outcome(trainer: Pix2PixTrainer) -> dict:
    """Losses, weights and buffers."""
    losses = trainer.read_losses() | trainer.read_metrics()
    state = {name: tensor.numpy().copy() for name, tensor in trainer.model.state_dict().items()}
    if trainer.average is not None:
        state |= {f"average.{name}": tensor.numpy() for name, tensor in trainer.average.network.state_dict().items()}
    return {"losses": losses, "state": state}
