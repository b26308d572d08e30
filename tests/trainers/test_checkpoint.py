"""Checkpoints: what is in them, and that nothing is lost silently."""

import os
import pickle
import re
from pathlib import Path

import pytest
import torch

from models.methods.pix2pixhd import Pix2PixHDMethod
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.pix2pixhd import GlobalGenerator, LocalEnhancer, Pix2PixHDDiscriminator
from models.pix2pix_model import Pix2PixModel
from models.weights import read_weights
from trainers import Pix2PixTrainer
from trainers.best import BEST, BestScore
from trainers.checkpoint import LATEST, Checkpoints, set_aside
from trainers.loading import load_networks
from trainers.published_names import is_average
from trainers.saves import Saves
from util.errors import InputError
from util.progress import Progress


def iterate(trainer, batch, times=2):
    for _ in range(times):
        trainer.step(batch)


def progress_after(images: int = 0) -> Progress:
    return Progress(epochs=9, images_per_epoch=8, images_this_epoch=images, images_seen=images)


def checkpoints(run_dir, trainer, images: int = 0, **kwargs) -> Checkpoints:
    return Checkpoints(run_dir, trainer, {"progress": progress_after(images)}, **kwargs)


def assert_equal_states(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_networks_are_bare_state_dicts_under_the_published_names(make_trainer, tmp_path):
    trainer = make_trainer(vae=True)
    checkpoints(tmp_path, trainer, 4).save("3")
    names = [f"{label}_net_{letter}.pth" for label in ("latest", "3") for letter in "GDE"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "saves"])
    for letter, network in trainer.model.networks.items():
        state = torch.load(tmp_path / f"3_net_{letter}.pth", weights_only=True)
        assert list(state) == list(network.state_dict())


def test_names_of_a_save_take_no_space_of_their_own_and_outlive_it(make_trainer, tmp_path):
    saving = checkpoints(tmp_path, make_trainer(), keep=1)
    saving.save("1")
    assert (tmp_path / "1_net_G.pth").samefile(tmp_path / "saves" / "000001" / "net_G.pth")
    saving.save()
    assert not (tmp_path / "saves" / "000001").exists()
    assert torch.load(tmp_path / "1_net_G.pth", weights_only=True)
    assert (tmp_path / "latest_net_G.pth").samefile(tmp_path / "saves" / "000002" / "net_G.pth")


@pytest.mark.parametrize("settings", [{}, {"vae": True, "ema": 0.9}], ids=["G and D", "with encoder and average"])
def test_a_restored_run_takes_the_same_next_steps(make_trainer, batch, tmp_path, settings):
    trainer = make_trainer(**settings)
    iterate(trainer, batch)
    checkpoints(tmp_path, trainer, 4).save()
    iterate(trainer, batch)

    resumed = make_trainer(**settings)
    resuming = checkpoints(tmp_path, resumed)
    assert resuming.restore()
    progress = resuming.states["progress"]
    assert (progress.epoch, progress.images_this_epoch, progress.images_seen) == (1, 4, 4)
    assert resumed.steps == 2
    iterate(resumed, batch)
    assert_equal_states(trainer.model.state_dict(), resumed.model.state_dict())
    if trainer.average is not None:
        assert_equal_states(trainer.average.network.state_dict(), resumed.average.network.state_dict())


def test_every_generator_of_random_numbers_goes_on(make_trainer, tmp_path):
    import random

    import numpy as np

    def draw():
        return random.random(), np.random.rand(), float(torch.rand(()))

    checkpoints(tmp_path, make_trainer()).save()
    expected = draw()
    resuming = checkpoints(tmp_path, make_trainer())
    draw()
    resuming.restore()
    assert draw() == expected


def test_settings_of_now_hold_after_a_restore(make_trainer, batch, tmp_path):
    trainer = make_trainer()
    iterate(trainer, batch)
    checkpoints(tmp_path, trainer).save()
    resumed = make_trainer(betas=(0.5, 0.999), adam="foreach")
    checkpoints(tmp_path, resumed).restore()
    groups = [group for optimizer in resumed.optimizers.values() for group in optimizer.param_groups]
    assert {(group["betas"], group["foreach"]) for group in groups} == {((0.5, 0.999), True)}
    assert resumed.optimizers["optimizer_G"].state_dict()["state"], "moments are restored all the same"


def test_an_average_can_join_a_run_that_had_none(make_trainer, batch, tmp_path, capsys):
    trainer = make_trainer()
    iterate(trainer, batch)
    checkpoints(tmp_path, trainer).save()
    resumed = make_trainer(ema=0.9)
    checkpoints(tmp_path, resumed).restore()
    assert "had no average" in capsys.readouterr().err
    name, weight = next(trainer.model.netG.named_parameters())
    assert torch.equal(dict(resumed.average.network.named_parameters())[name], weight)
    before = weight.clone()
    iterate(resumed, batch, times=1)
    now = dict(resumed.model.netG.named_parameters())[name]
    torch.testing.assert_close(dict(resumed.average.network.named_parameters())[name], 2 / 11 * before + 9 / 11 * now)


def test_an_average_that_is_turned_off_leaves_with_the_next_save(make_trainer, batch, tmp_path):
    """Or tests would go on with it, whatever is trained since."""
    trainer = make_trainer(ema=0.9)
    iterate(trainer, batch)
    checkpoints(tmp_path, trainer).save()
    assert (tmp_path / "latest_net_G_ema.pth").exists()
    resumed = make_trainer()
    resuming = checkpoints(tmp_path, resumed)
    assert resuming.restore()
    iterate(resumed, batch)
    resuming.save()
    assert not (tmp_path / "latest_net_G_ema.pth").exists()
    assert next(path.name for path in load_networks(tmp_path, LATEST, make_trainer().model)) == "latest_net_G.pth"


def test_a_generator_alone_can_be_continued_and_what_is_missing_is_named(make_trainer, tmp_path, capsys):
    torch.save(make_trainer().model.netG.state_dict(), tmp_path / "latest_net_G.pth")
    (tmp_path / "iter.txt").write_text("5\n2\n")  # the published code's own counter
    resuming = checkpoints(tmp_path, make_trainer())
    assert not resuming.restore()
    resuming.restore_networks(LATEST)
    warnings = capsys.readouterr().err
    assert "netD starts from new weights" in warnings
    assert "optimizers start from scratch" in warnings
    progress = resuming.states["progress"]
    # four whole epochs of 8 images, and 2 images
    assert (progress.epoch, progress.images_this_epoch, progress.images_seen) == (5, 2, 34)


def test_continuing_from_an_epoch_goes_on_with_the_next(make_trainer, tmp_path, capsys):
    checkpoints(tmp_path, make_trainer()).save("3")
    resuming = checkpoints(tmp_path, make_trainer())
    resuming.restore_networks("3")
    assert resuming.states["progress"].epoch == 4
    assert "optimizers start from scratch" in capsys.readouterr().err


def with_best(run_dir, trainer, scores: dict[int, float]) -> Checkpoints:
    """Checkpoints that know the scores of epochs; less is better."""
    saving, best = checkpoints(run_dir, trainer, 8), BestScore({"fid": min})
    for epoch, score in scores.items():
        best.update({"fid": score}, epoch=epoch, generator="raw")
    best.owed = 9
    saving.states[BEST] = best
    return saving


@pytest.mark.parametrize("label, epoch", [("best", 3), ("4", 5)])
def test_continuing_from_networks_alone_knows_the_best_of_the_run(make_trainer, tmp_path, capsys, label, epoch):
    saving = with_best(tmp_path, make_trainer(), {1: 9.0, 2: 5.0, 4: 7.0})
    saving.save("4", "best")
    saving.save()
    resuming = with_best(tmp_path, make_trainer(), {})
    resuming.restore_networks(label)
    progress, best = resuming.states["progress"], resuming.states[BEST]
    assert (progress.epoch, progress.images_seen) == (epoch, 8 * (epoch - 1))
    assert not best.update({"fid": 6.0}) and best.update({"fid": 4.0})
    assert best.owed is None
    assert "counting starts" not in capsys.readouterr().err


@pytest.mark.parametrize("interrupted", [False, True])
def test_best_networks_of_an_unknown_score_are_kept(make_trainer, tmp_path, capsys, interrupted):
    for letter, network in make_trainer().model.networks.items():
        torch.save(network.state_dict(), tmp_path / f"best_net_{letter}.pth")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    resuming = with_best(tmp_path, make_trainer(), {})
    resuming.restore_networks("best")
    if interrupted:
        resuming.save()
        resuming = with_best(tmp_path, make_trainer(), {})
        assert resuming.restore()
    assert not list(tmp_path.glob("best1*"))
    for score in (5.0, 4.0):
        assert resuming.states[BEST].update({"fid": score}, epoch=1)
        resuming.save("best")
    assert "they are kept: --which_epoch best1" in capsys.readouterr().err
    assert {path.name.replace("best1", "best"): path.read_bytes() for path in tmp_path.glob("best1*")} == before
    assert (tmp_path / "best_net_G.pth").samefile(max((tmp_path / "saves").iterdir()) / "net_G.pth")
    assert not list(tmp_path.glob("best2*"))
    again = with_best(tmp_path, make_trainer(), {})
    again.restore()
    again.save("best")
    assert not list(tmp_path.glob("best2*"))


def test_a_method_may_start_from_what_fits_of_pretrained_networks(tmp_path, capsys):
    """Local enhancers of pix2pixHD around a trained global generator; the average starts from it, too."""
    torch.manual_seed(0)
    small = Pix2PixModel(GlobalGenerator(3, 4, 1, 1), Pix2PixHDDiscriminator(3, 2, num_D=1), None, 2)
    checkpoints(tmp_path, Pix2PixTrainer(Pix2PixHDMethod(small))).save()
    large = Pix2PixModel(LocalEnhancer(3, 2, 1, 1), Pix2PixHDDiscriminator(3, 2, num_D=2), None, 2)
    started = Pix2PixTrainer(Pix2PixHDMethod(large), ema=0.9)
    checkpoints(tmp_path / "run", started).load_pretrained(tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert [re.sub(".*_net", "net", line).split(" entries of the file taken")[0] for line in said] == [
        "net_G.pth: 10 of 12",
        "net_D.pth: 10 of 10",
        "net_G.pth: 10 of 12",
    ]
    assert started.average is not None
    for network, trained in ((large.netG, small.netG), (started.average.network, small.netG)):
        assert torch.equal(network.state_dict()["model.1.weight"], trained.state_dict()["model.1.weight"])
    D = large.networks["D"].state_dict()
    assert torch.equal(D["scale0_layer0.0.weight"], small.networks["D"].state_dict()["scale0_layer0.0.weight"])


def test_pretrained_networks_that_do_not_fit_are_refused_or_taken_in_part(make_trainer, tmp_path, capsys):
    torch.save(make_trainer().model.netG.state_dict(), tmp_path / "latest_net_G.pth")
    torch.save(MultiscaleDiscriminator(4, 2, num_D=1).state_dict(), tmp_path / "latest_net_D.pth")
    starting = checkpoints(tmp_path / "run", make_trainer())
    with pytest.raises(InputError, match="--num_D is 1 in the file and 2 here; use that of the file, or --load_what"):
        starting.load_pretrained(tmp_path)
    starting.load_pretrained(tmp_path, what_fits=True)
    of_G, of_D = capsys.readouterr().out.splitlines()
    assert "start from new weights" not in of_G
    assert of_D.endswith("start from new weights: discriminator_0; --num_D is 1 in the file and 2 here")


def test_pretrained_networks_start_a_run_with_whatever_there_is(make_trainer, batch, tmp_path, capsys):
    trainer = make_trainer(vae=True)
    iterate(trainer, batch)
    for letter in "GE":
        torch.save(trainer.model.networks[letter].state_dict(), tmp_path / f"latest_net_{letter}.pth")
    started = make_trainer(vae=True, ema=0.5)
    fresh_D = {name: tensor.clone() for name, tensor in started.model.netD.state_dict().items()}
    starting = checkpoints(tmp_path / "run", started)
    starting.load_pretrained(tmp_path)
    assert_equal_states(started.model.netG.state_dict(), trainer.model.netG.state_dict())
    assert_equal_states(started.model.netE.state_dict(), trainer.model.netE.state_dict())
    assert_equal_states(started.model.netD.state_dict(), fresh_D)
    assert_equal_states(dict(started.average.network.named_parameters()), dict(trainer.model.netG.named_parameters()))
    assert "latest_net_D.pth is missing: netD starts from new weights" in capsys.readouterr().err
    assert not started.optimizers["optimizer_G"].state_dict()["state"]
    assert starting.states["progress"].images_seen == 0
    with pytest.raises(InputError, match=r"--load_pretrained .*latest_net_G.pth is not there"):
        starting.load_pretrained(tmp_path / "absent")


def test_nothing_to_continue_names_the_available_runs(make_trainer, tmp_path):
    checkpoints(tmp_path / "run", make_trainer()).save("3")
    (tmp_path / "run" / "latest_net_G.pth").unlink()
    with pytest.raises(InputError, match=r"latest_net_G.pth does not exist; --which_epoch may be 3"):
        checkpoints(tmp_path / "run", make_trainer()).restore_networks(LATEST)
    with pytest.raises(InputError, match=r"runs in .*: run "):
        checkpoints(tmp_path / "rum", make_trainer()).restore_networks(LATEST)


def test_a_run_that_was_stopped_before_its_first_save_is_told_from_others(make_trainer, tmp_path):
    (tmp_path / "run" / "web").mkdir(parents=True)
    with pytest.raises(InputError, match=r"run was stopped before its first save; leave the flag out to start again"):
        checkpoints(tmp_path / "run", make_trainer()).restore_networks(LATEST)


def saved_files(folder: Path, trainer) -> dict[str, dict]:
    """The files of a save, by name."""
    checkpoints(folder, trainer).save()
    save = Saves(folder).newest_intact()
    return {name: read_weights(save.file(name)) for name in save.files}


def test_state_of_another_run_is_refused(make_trainer, tmp_path):
    files = saved_files(tmp_path, make_trainer())
    del files["training_state.pth"]["optimizer_D"]
    Saves(tmp_path).write(files, {"processes": 1, "labels": ["latest"]})
    with pytest.raises(InputError, match="does not fit this run"):
        checkpoints(tmp_path, make_trainer()).restore()


def test_an_earlier_run_is_moved_aside_never_overwritten(make_trainer, tmp_path):
    assert set_aside(tmp_path / "run") is None
    for number in (1, 2):
        checkpoints(tmp_path / "run", make_trainer()).save()
        assert set_aside(tmp_path / "run") == tmp_path / f"run.old{number}"
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "run.old1" / "latest_net_G.pth").exists()


def test_an_earlier_run_that_was_killed_before_its_networks_had_names_is_moved_aside_too(make_trainer, tmp_path):
    """Or a run that begins anew, and is interrupted before its first save, would go on from the save of another."""
    checkpoints(tmp_path / "run", make_trainer()).save()
    for path in (tmp_path / "run").glob("*.pth"):
        path.unlink()
    assert set_aside(tmp_path / "run") == tmp_path / "run.old1"
    assert Saves(tmp_path / "run.old1").newest_intact()


def test_testing_prefers_the_average_and_falls_back_to_an_earlier_save(make_trainer, batch, tmp_path, capsys):
    trainer = make_trainer(ema=0.5)
    saving = checkpoints(tmp_path, trainer)
    iterate(trainer, batch)
    saving.save()
    averaged = read_weights(tmp_path / "latest_net_G_ema.pth")
    raw = read_weights(tmp_path / "latest_net_G.pth")
    iterate(trainer, batch)
    saving.save()
    model = make_trainer().model
    model.netD = None

    assert [path.name for path in load_networks(tmp_path, LATEST, model)] == ["latest_net_G_ema.pth"]
    assert [path.name for path in load_networks(tmp_path, LATEST, model, averaged=False)] == ["latest_net_G.pth"]
    for name in ("latest_net_G_ema.pth", "latest_net_G.pth"):
        os.truncate(tmp_path / name, 1000)
    for wants_average, expected in ((True, averaged), (False, raw)):
        load_networks(tmp_path, LATEST, model, averaged=wants_average)
        assert_equal_states(model.netG.state_dict(), expected)
    assert "000001 are used instead" in capsys.readouterr().err


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("file", ["training_state.pth", "net_G.pth"])
def test_nothing_in_a_checkpoint_runs_code(make_trainer, tmp_path, file):
    marker = tmp_path / "exploded"
    files = saved_files(tmp_path, make_trainer())
    Saves(tmp_path).write(files | {file: {"a": Bomb(marker)}}, {"processes": 1, "labels": ["latest"]})
    with pytest.raises(InputError, match=f"{file}: would run (posix|nt).system when loaded, so it is refused"):
        checkpoints(tmp_path, make_trainer()).restore()
    assert not marker.exists()
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.exists(), "the bomb works where code may run"


def test_released_files_of_oasis_are_found_under_their_names(make_trainer, tmp_path):
    """models/best_G.pth, best_D.pth and best_EMA.pth, with --which_epoch best."""
    trainer, states = make_trainer(ema=0.5), {}
    (tmp_path / "models").mkdir()
    for name in ("G", "EMA"):
        states[name] = {key: tensor + len(name) for key, tensor in trainer.model.netG.state_dict().items()}
        torch.save(states[name], tmp_path / "models" / f"best_{name}.pth")
    model = make_trainer().model
    model.netD = None
    for averaged, name in ((True, "EMA"), (False, "G")):
        (path,) = load_networks(tmp_path, "best", model, averaged=averaged)
        assert path.name == f"best_{name}.pth" and is_average(path) == averaged
        assert_equal_states(model.netG.state_dict(), states[name])
    checkpoints(tmp_path / "run", trainer).load_pretrained(tmp_path, "best")
    assert_equal_states(trainer.model.netG.state_dict(), states["G"])
    assert_equal_states(trainer.average.network.state_dict(), states["EMA"])
