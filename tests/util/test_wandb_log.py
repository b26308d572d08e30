"""Weights & Biases, with a stand-in for the package: it notes what it is given."""

import sys
import types

import numpy as np
import pytest

from tests.util.test_visualizer import KINDS, LOSSES, show, visualizer
from util.errors import InputError
from util.wandb_log import WandbLog


class FakeRun:
    """A run as the site has it: `step` is where it stands."""

    def __init__(self, settings, step):
        self.settings, self.step = settings, step
        self.logged = []
        self.exit_code = None

    def log(self, values, step):
        assert step >= self.step
        self.step = step
        self.logged.append((step, values))

    def finish(self, exit_code):
        self.exit_code = exit_code


class FakeWandb(types.ModuleType):
    class Error(Exception):
        pass

    def __init__(self):
        super().__init__("wandb")
        self.runs = []
        self.init_error = None

    def init(self, **settings):
        if self.init_error:
            raise self.init_error
        step = max([0, *(run.step + 1 for run in self.runs if run.settings["id"] == settings["id"])])
        self.runs.append(FakeRun(settings, step))
        return self.runs[-1]

    def Image(self, array):
        return "image", array.shape, array.dtype


@pytest.fixture
def wandb(monkeypatch):
    module = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_losses_watched_scalars_and_pictures_are_sent_by_images_seen(tmp_path, wandb):
    vis = visualizer(tmp_path / "demo", html=False, wandb_config={"lr": 0.1})
    vis.log(1, 100, 100, 0.1, LOSSES, watched={"lr/G": 0.25})
    show(vis, 1, 100)
    vis.close()
    (run,) = wandb.runs
    settings = dict(run.settings)
    run_id = settings.pop("id")
    folder = tmp_path / "demo"
    assert settings == {"project": "spade", "name": "demo", "dir": folder, "resume": "allow", "config": {"lr": 0.1}}
    assert (folder / "wandb_id.txt").read_text() == run_id + "\n"
    assert run.logged == [
        (100, {**LOSSES, "lr/G": 0.25}),
        (100, dict.fromkeys(KINDS, ("image", (4, 6, 3), np.uint8))),
    ]
    assert run.exit_code == 0


def test_without_a_config_the_package_is_not_even_imported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    vis = visualizer(tmp_path)
    vis.log(1, 100, 100, 0.1, LOSSES)
    vis.close()
    assert not (tmp_path / "wandb_id.txt").exists()


def test_a_resumed_training_goes_on_in_the_same_run_after_what_the_site_has(tmp_path, wandb):
    for steps in ((100, 200, 300), (200, 300, 400)):  # interrupted, and resumed from a checkpoint at 100
        log = WandbLog(tmp_path, {})
        for step in steps:
            log.log(step, LOSSES)
    first, second = wandb.runs
    assert first.settings["id"] == second.settings["id"]
    assert [step for step, _ in second.logged] == [400]


def test_runs_in_other_folders_have_other_ids(tmp_path, wandb):
    for name in ("a", "b"):
        WandbLog(tmp_path / name, {})
    assert wandb.runs[0].settings["id"] != wandb.runs[1].settings["id"]


def test_a_training_that_an_error_ends_is_called_failed(tmp_path, wandb):
    log = WandbLog(tmp_path, {})
    with pytest.raises(KeyboardInterrupt):
        try:
            raise KeyboardInterrupt
        finally:
            log.close()
    assert wandb.runs[0].exit_code == 1


@pytest.mark.parametrize("package", [None, types.ModuleType("wandb")], ids=["missing", "a folder of that name"])
def test_a_missing_package_is_one_line_with_the_fix(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, "wandb", package)
    with pytest.raises(InputError, match=r"^--wandb: .*wandb.*; pip install wandb, or leave out --wandb$"):
        visualizer(tmp_path, wandb_config={})
    assert list(tmp_path.iterdir()) == []


def test_a_refused_login_is_one_line(tmp_path, wandb):
    wandb.init_error = FakeWandb.Error("No API key\nconfigured.")
    with pytest.raises(InputError, match=r"^--wandb: No API key.*configured\.; wandb login, or .*WANDB_MODE=offline"):
        WandbLog(tmp_path, {})
