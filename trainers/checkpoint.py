"""Saves and restores a training: bare state dicts of the networks, and the rest of the state in a file of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from models.weights import MismatchError, load_network, load_what_fits, read_weights
from trainers.average import GeneratorAverage
from trainers.best import BEST, keep_best
from trainers.budget import TrainingClock
from trainers.pix2pix_trainer import Pix2PixTrainer
from trainers.published_names import EMA, LATEST, describe_available, find_network, network_file, network_path
from trainers.saves import Save, Saves
from util.device import random_state, set_random_state
from util.errors import InputError
from util.progress import Progress
from util.results_folders import set_run_aside
from util.warn import warn

TRAINING_STATE = "training_state.pth"
ForwardPasses = Iterable[Callable[[nn.Module], object]]


class Stateful(Protocol):
    """An object whose state consists of dicts, lists, numbers, strings and tensors."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any, /) -> None: ...


class Checkpoints:
    """Saves and restores a training. All processes call the same methods; the main one writes.

    Args:
        run_dir: folder of the run.
        trainer: its networks, average, optimizers and counters are saved.
        states: further objects to save, by name; "progress" must be one of them.
        keep: how many saves to keep.
        calibration: returns functions that run a given network on one batch each, always the same batches; they give
            the averaged generator its batch-norm statistics.

    Attributes:
        clock: of the run; saves record its time.
    """

    def __init__(
        self,
        run_dir: Path,
        trainer: Pix2PixTrainer,
        states: Mapping[str, Stateful],
        keep: int = 2,
        calibration: Callable[[], ForwardPasses] = tuple,
    ):
        self.run_dir = Path(run_dir)
        self.trainer = trainer
        self.states = states
        self.calibration = calibration
        self.saves = Saves(run_dir, keep)
        self.clock = TrainingClock()
        self._saved_at = time.monotonic()
        self._best_is_unknown = False  # there are best networks whose score is not known

    def save(self, *labels: str, without_average: Collection[str] = ()) -> None:
        """Save everything as `latest`, and the networks also under `labels`, such as an epoch number, which are kept.

        Under the labels in `without_average`, no average is saved, so that test.py uses `G` itself.

        Raises:
            NonFiniteLossError: a loss or gradient was not finite; earlier saves are kept.
            InputError: the files cannot be written.
        """
        trainer, world = self.trainer, self.trainer.world
        trainer.finite.check()
        networks = dict(trainer.model.networks)
        if trainer.average is not None:
            networks[EMA] = self.consistent_average()
        random_states = world.all_gather(random_state())
        with world.failing_together():
            if not world.is_main:
                return
            files = {network_file(letter): _on_cpu(network.state_dict()) for letter, network in networks.items()}
            files[TRAINING_STATE] = self._training_state(random_states)
            progress = self.states["progress"].state_dict()
            facts = {"labels": [LATEST, *labels], "processes": world.size, "progress": progress}
            facts["without_average"] = list(without_average)
            facts["seconds"] = round(self.clock.seconds, 3)
            save = self.saves.write(files, facts)
            self._saved_at = time.monotonic()
            if self._best_is_unknown and BEST in labels:
                keep_best(self.run_dir)
                self._best_is_unknown = False
            self._publish(save)

    @property
    def seconds_since_save(self) -> float:
        """Seconds since the last save of this process, or since it was started."""
        return time.monotonic() - self._saved_at

    def consistent_average(self) -> nn.Module:
        """The averaged generator with statistics computed from its own weights, as it is saved."""
        average = self.trainer.average
        assert average is not None, "a run with --ema has an average"
        return average.make_consistent(self.calibration())

    def restore(self) -> bool:
        """Resume from the newest intact save; return whether there is one.

        Raises:
            InputError: it does not fit this run.
        """
        trainer, world = self.trainer, self.trainer.world
        save = None
        with world.failing_together():
            if world.is_main:
                self.saves.clean()
                save = self.saves.newest_intact()
                if save is not None:
                    self._publish(save)  # again, in case a kill interrupted it
        save = world.broadcast(save)  # the main process decides for all
        if save is None:
            return False
        self.clock.before = save.manifest.get("seconds", 0.0)  # saves of earlier versions do not say
        with world.failing_together():
            for letter, network in trainer.model.networks.items():
                load_network(network, save.file(network_file(letter)))
            if trainer.average is not None:
                self._restore_average(trainer.average, save)
            path = save.file(TRAINING_STATE)
            try:
                self._restore_state(read_weights(path), save.manifest["processes"])
            except (KeyError, ValueError, TypeError, RuntimeError) as error:
                raise InputError(
                    f"{path}: does not fit this run ({error!r}); another --name with --load_pretrained {self.run_dir} "
                    f"starts from its networks alone"
                ) from None
        self._note_whether_best_is_known()
        return True

    def restore_networks(self, label: str) -> None:
        """Resume from networks without training state, such as those of an epoch; warn about everything missing.

        Raises:
            InputError: there is no generator to resume from, or a file does not fit.
        """
        path = network_path(self.run_dir, label, "G")
        if not path.exists():
            if self.run_dir.exists() and label == LATEST and not any(self.run_dir.glob("*_net_G.pth")):
                raise InputError(
                    f"--continue_train: {self.run_dir} was stopped before its first save; leave the flag out "
                    f"to start again, or give --auto_resume in its place, which does what is possible"
                )
            raise InputError(f"--continue_train: {path} does not exist; {describe_available(self.run_dir, 'G')}")
        self._load_networks(self.run_dir, label)
        self._warn(f"{path} is a network without its training: optimizers start from scratch")
        progress, best = self.states["progress"], self._best_of_run()
        assert isinstance(progress, Progress)
        if best and BEST in self.states:
            self.states[BEST].load_state_dict(best | {"owed": None})  # owed scores are of other weights
        if best and label == BEST:
            label = str(best.get("place", {}).get("epoch", label))
        progress.load_state_dict(self._progress_of_label(label, progress))
        self._note_whether_best_is_known()

    def load_pretrained(self, folder: Path, label: str = LATEST, what_fits: bool = False) -> None:
        """Start from the networks in a folder: G, and D and E if they exist.

        Args:
            what_fits: take what fits and print what does not, as some methods always do.
        Raises:
            InputError: there is no generator, or a file does not fit.
        """
        path = find_network(folder, label, "G")
        if not path.exists():
            raise InputError(f"--load_pretrained {folder}: {path.name} is not there; {describe_available(folder, 'G')}")
        if what_fits or self.trainer.method.loads_partially:
            self._load_networks(folder, label, self._load_what_fits)
            return
        try:
            self._load_networks(folder, label)
        except MismatchError as error:
            raise InputError(f"{error}; use that of the file, or --load_what_fits if most of it fits") from None

    def _load_what_fits(self, network: nn.Module, path: Path) -> None:
        line = load_what_fits(network, path)
        if self.trainer.world.is_main:
            print(line)

    def _load_networks(self, folder: Path, label: str, load: Callable[[nn.Module, Path], None] = load_network) -> None:
        trainer = self.trainer
        for letter, network in trainer.model.networks.items():
            path = find_network(folder, label, letter)
            if path.exists():
                load(network, path)
            else:
                self._warn(f"{path} is missing: net{letter} starts from new weights")
        if trainer.average is not None:
            path = find_network(folder, label, EMA)
            load(trainer.average.network, path if path.exists() else find_network(folder, label, "G"))
            trainer.average.load_state_dict({"updates": 1})  # so that it is not replaced by the first update

    def _restore_average(self, average: GeneratorAverage, save: Save) -> None:
        if network_file(EMA) in save.files:
            load_network(average.network, save.file(network_file(EMA)))
        else:
            self._warn("the run had no average of its generator so far (--ema): it starts from the present weights")
            load_network(average.network, save.file(network_file("G")))
            average.load_state_dict({"updates": 1})

    def _stateful(self) -> dict[str, Stateful]:
        """All objects that are saved and restored besides networks, by name: the trainer's, and `states`."""
        trainer = self.trainer
        average = {} if trainer.average is None else {"average": trainer.average}
        return {**trainer.optimizers, "trainer": trainer, **average, **self.states}

    def _training_state(self, random_states: list[dict]) -> dict[str, Any]:
        return {name: stateful.state_dict() for name, stateful in self._stateful().items()} | {"random": random_states}

    def _restore_state(self, state: dict[str, Any], processes: int) -> None:
        world = self.trainer.world
        for name, stateful in self._stateful().items():
            if name != "average" or name in state:
                stateful.load_state_dict(state[name])
        # All processes draw the same numbers, so that additional ones can take the state of any other.
        set_random_state(state["random"][world.rank if world.rank < processes else 0])
        if processes != world.size:
            self._warn(
                f"the save was made by {processes} processes, and now there are {world.size}: the samples and their "
                f"order stay the same, but sums are rounded in another order, so results differ in the last digits; "
                f"batch norm that is not synchronized has other batches"
            )

    def _publish(self, save: Save) -> None:
        """Link the networks of a save under their published names."""
        letters = [name.removeprefix("net_").removesuffix(".pth") for name in save.files if name != TRAINING_STATE]
        labels, without_average = save.manifest["labels"], save.manifest.get("without_average", ())
        names = {
            network_file(letter): [
                f"{label}_{network_file(letter)}" for label in labels if letter != EMA or label not in without_average
            ]
            for letter in letters
        }
        self.saves.publish(save, names)
        for label in without_average if EMA in letters else labels:
            network_path(self.run_dir, label, EMA).unlink(missing_ok=True)  # of an earlier save

    def _best_of_run(self) -> dict[str, Any] | None:
        """State of the best score in the newest save, if that is intact."""
        world, state = self.trainer.world, {}
        with world.failing_together():
            if world.is_main:
                newest = next(iter(self.saves.all()), None)
                if newest is not None and newest.damage() is None:
                    state = read_weights(newest.file(TRAINING_STATE))
        return world.broadcast(state.get(BEST))

    def _note_whether_best_is_known(self) -> None:
        best = self.states.get(BEST)
        exists = network_path(self.run_dir, BEST, "G").exists()
        self._best_is_unknown = exists and best is not None and best.state_dict()["value"] is None

    def _progress_of_label(self, label: str, progress: Progress) -> dict[str, int]:
        """Where networks without training state resume: after epoch `label`, or at `iter.txt` of the published code."""
        if label.isdecimal():
            epoch, images_this_epoch = int(label) + 1, 0
        else:
            path = self.run_dir / "iter.txt"
            try:
                epoch, images_this_epoch = (int(line) for line in path.read_text(encoding="utf-8").split())
            except (OSError, ValueError):
                self._warn(f"{path}: no epoch to read there either: counting starts from epoch 1")
                epoch, images_this_epoch = 1, 0
        images_seen = (epoch - 1) * progress.images_per_epoch + images_this_epoch
        return {"epoch": epoch, "images_this_epoch": images_this_epoch, "images_seen": images_seen}

    def _warn(self, text: str) -> None:
        if self.trainer.world.is_main:
            warn(text)


def set_aside(run_dir: Path) -> Path | None:
    """Move an earlier run of the same name aside, with its results; return its new folder, None if there was no run."""
    if not any(run_dir.glob("*_net_*.pth")) and not Saves(run_dir).all():
        return None
    return set_run_aside(run_dir)


def _on_cpu(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu() for name, tensor in state.items()}
