"""Random crops and flips that depend neither on the process that reads a sample nor on samples read before."""

import hashlib

import torch
from torch.utils.data import Dataset

from data.sample import AnySamples, Sample
from data.sampler import Place


class SeededSamples(Dataset[Sample]):
    """Samples whose random draws are a function of seed, epoch and index.

    They are the same for any number of processes and workers, and in a run resumed in the middle of an epoch. Data sets
    draw from torch's main generator, whose state is restored afterwards. (This takes 3 microseconds on a CPU core.)
    """

    def __init__(self, dataset: AnySamples, seed: int):
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: Place) -> Sample:
        """Read the sample for (epoch, index)."""
        generator = torch.default_generator  # torch.manual_seed would seed the generators of GPUs as well
        state = generator.get_state()
        generator.manual_seed(seed_of(self.seed, place))
        try:
            return self.dataset[place[1]]
        finally:
            generator.set_state(state)


def seed_of(seed: int, place: Place) -> int:
    """Hash seed, epoch and index into 64 bits, so that neighboring seeds are unrelated."""
    digest = hashlib.blake2b(f"{seed} {place[0]} {place[1]}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
