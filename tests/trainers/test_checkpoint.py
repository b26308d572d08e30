"""Checkpoints: what is in them, and that nothing is lost silently."""

import pytest
import torch

from trainers import NonFiniteLossError
from trainers.checkpoint import restore_checkpoint, save_checkpoint, set_aside
from util.errors import InputError
from util.progress import Progress


def iterate(trainer, batch, times=2):
    for _ in range(times):
        trainer.generator_step(batch)
        trainer.discriminator_step(batch)


def progress_after(images: int = 0) -> Progress:
    return Progress(epochs=9, images_per_epoch=8, images_this_epoch=images, images_seen=images)


def test_networks_are_bare_state_dicts_under_the_published_names(make_trainer, batch, tmp_path):
    trainer = make_trainer(vae=True)
    save_checkpoint(tmp_path, "latest", trainer, progress_after(4))
    save_checkpoint(tmp_path, "3", trainer, progress_after(4))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"{label}_net_{letter}.pth" for label in ("latest", "3") for letter in "GDE"] + ["latest_training_state.pth"]
    )
    for letter, network in trainer.model.networks.items():
        state = torch.load(tmp_path / f"3_net_{letter}.pth", weights_only=True)
        assert list(state) == list(network.state_dict())


def test_a_restored_run_takes_the_same_next_steps(make_trainer, batch, tmp_path):
    trainer = make_trainer(vae=True)
    iterate(trainer, batch)
    save_checkpoint(tmp_path, "latest", trainer, progress_after(4))
    iterate(trainer, batch)

    resumed, progress = make_trainer(vae=True), progress_after()
    restore_checkpoint(tmp_path, "latest", resumed, progress)
    assert (progress.epoch, progress.images_this_epoch, progress.images_seen) == (1, 4, 4)
    assert resumed.steps == 2
    iterate(resumed, batch)
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name


def test_betas_of_now_hold_after_a_restore(make_trainer, batch, tmp_path):
    trainer = make_trainer()
    iterate(trainer, batch)
    save_checkpoint(tmp_path, "latest", trainer, progress_after(4))
    resumed = make_trainer(betas=(0.5, 0.999))
    restore_checkpoint(tmp_path, "latest", resumed, progress_after())
    assert {group["betas"] for o in resumed.optimizers.values() for group in o.param_groups} == {(0.5, 0.999)}
    assert resumed.optimizer_G.state_dict()["state"], "moments are restored all the same"


def test_a_generator_alone_can_be_continued_and_what_is_missing_is_named(make_trainer, tmp_path, capsys):
    save_checkpoint(tmp_path, "latest", make_trainer(), progress_after(4))
    (tmp_path / "latest_net_D.pth").unlink()
    (tmp_path / "latest_training_state.pth").unlink()
    (tmp_path / "iter.txt").write_text("5\n2\n")  # the published code's own counter
    progress = progress_after()
    restore_checkpoint(tmp_path, "latest", make_trainer(), progress)
    warnings = capsys.readouterr().err
    assert "netD starts from new weights" in warnings
    assert "optimisers start anew" in warnings
    # four whole epochs of 8 images, and 2 images
    assert (progress.epoch, progress.images_this_epoch, progress.images_seen) == (5, 2, 34)


def test_continuing_from_an_epoch_goes_on_with_the_next(make_trainer, tmp_path, capsys):
    save_checkpoint(tmp_path, "3", make_trainer(), progress_after())
    progress = progress_after()
    restore_checkpoint(tmp_path, "3", make_trainer(), progress)
    assert progress.epoch == 4
    assert "optimisers start anew" in capsys.readouterr().err


def test_nothing_to_continue_names_what_there_is(make_trainer, tmp_path):
    save_checkpoint(tmp_path / "run", "3", make_trainer(), progress_after())
    with pytest.raises(InputError, match=r"latest_net_G.pth does not exist; --which_epoch may be 3"):
        restore_checkpoint(tmp_path / "run", "latest", make_trainer(), progress_after())
    with pytest.raises(InputError, match=r"runs in .*: run "):
        restore_checkpoint(tmp_path / "rum", "latest", make_trainer(), progress_after())


def test_state_of_another_run_is_refused(make_trainer, tmp_path):
    save_checkpoint(tmp_path, "latest", make_trainer(), progress_after())
    torch.save({"trainer": {"steps": 1}}, tmp_path / "latest_training_state.pth")
    with pytest.raises(InputError, match="does not fit this run"):
        restore_checkpoint(tmp_path, "latest", make_trainer(), progress_after())


def test_bad_networks_never_replace_good_files(make_trainer, batch, tmp_path, monkeypatch):
    trainer = make_trainer()
    save_checkpoint(tmp_path, "latest", trainer, progress_after())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(trainer.finite, "check", lambda: None)  # the step itself goes unnoticed, as on a GPU
    iterate(trainer, batch | {"image": torch.full_like(batch["image"], torch.inf)}, times=1)
    monkeypatch.undo()
    with pytest.raises(NonFiniteLossError):
        save_checkpoint(tmp_path, "latest", trainer, progress_after())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_earlier_run_is_moved_aside_never_overwritten(make_trainer, tmp_path):
    assert set_aside(tmp_path / "run") is None
    for number in (1, 2):
        save_checkpoint(tmp_path / "run", "latest", make_trainer(), progress_after())
        assert set_aside(tmp_path / "run") == tmp_path / f"run.old{number}"
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "run.old1" / "latest_net_G.pth").exists()
