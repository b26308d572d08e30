"""Our networks, losses and training step against recorded numbers of the published system."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scripts.fidelity.__main__ import main
from scripts.fidelity.comparison import compare
from scripts.fidelity.recording import Recording
from scripts.fidelity.training import TOLERANCES, Replay, recorded_results
from util.errors import InputError
from util.fill import fill

pytestmark = pytest.mark.tools

GOLDEN = Path(__file__).parents[2] / "golden"
RECORDINGS = ["facades_ls", "pix2pixhd"]


@pytest.fixture(scope="module", params=RECORDINGS)
def recording(request):
    return Recording.read(GOLDEN / f"{request.param}.json")


@pytest.fixture(scope="module")
def measured(recording):
    return Replay(recording, "dense").measure()


@pytest.fixture(scope="module")
def recorded(recording):
    return recorded_results(recording)


def assert_met(measured, recorded):
    results = compare(measured, recorded, TOLERANCES)
    assert [str(result) for result in results if not result.passed] == []
    assert {result.quantity for result in results} >= {"eval_fake", "train_g_grad_norms", "steps.1.losses", "adam"}


def test_every_recorded_number_is_met(recorded, measured):
    assert_met(measured, recorded)


def test_every_recorded_number_is_met_by_tables():
    """Those of pix2pixHD are in a test below: the program uses tables unless it is told otherwise."""
    recording = Recording.read(GOLDEN / "facades_ls.json")
    assert_met(Replay(recording, "table").measure(), recorded_results(recording))


def failed(measured, recorded):
    return [result.quantity for result in compare(measured, recorded, TOLERANCES) if not result.passed]


def leaves(value, path=()):
    if isinstance(value, (dict, list)):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, (*path, key))
    else:
        yield path, value


def with_changed(results, path, change):
    """A copy of `results` in which the entry at `path` is changed."""
    key, *rest = path
    changed = list(results) if isinstance(results, list) else dict(results)
    changed[key] = with_changed(results[key], rest, change) if rest else change(results[key])
    return changed


def test_one_wrong_number_anywhere_is_noticed(recorded, measured):
    """For every quantity, one entry is moved by more than its tolerance; exactly that quantity must fail."""
    changes = {int: lambda v: v + 1, float: lambda v: v * 1.02 + 0.02, bool: lambda v: not v, str: lambda v: v + "x"}
    seen = set()
    for path, value in leaves(recorded):
        quantity = ".".join(map(str, path[:3] if path[0] == "steps" else path[:1]))
        if quantity in seen:
            continue
        seen.add(quantity)

        def change(value):
            if isinstance(value, np.ndarray):
                value = value.copy()
                value.flat[value.size // 2] += 0.01
                return value
            return changes[type(value)](value)

        assert failed(measured, with_changed(recorded, path, change)) == [quantity]
    assert len(seen) > 20


def test_losses_after_an_optimizer_step_may_differ_by_what_it_makes_of_rounding(measured):
    """In the second iteration a loss near zero may be 3e-3 off, in 64 bits as well; in the first one it may not."""
    for iteration, passes in ((0, False), (1, True)):
        for loss in ("GAN", "D_Fake", "D_real"):
            moved = with_changed(measured, ("steps", iteration, "losses", loss), lambda value: value + 3e-3)
            assert failed(moved, measured) == ([] if passes else [f"steps.{iteration}.losses"])
        moved = with_changed(
            measured, ("steps", iteration, "losses", "GAN_Feat"), lambda value: value + 0.01 + value / 100
        )
        assert failed(moved, measured) == [f"steps.{iteration}.losses"]


def test_missing_and_unknown_entries_fail(recorded, measured):
    without = {name: value for name, value in measured.items() if name != "train_d_losses"}
    assert failed(without, recorded) == ["train_d_losses"]
    assert failed(measured, recorded | {"novelty": [1.0]}) == ["novelty"]


def test_not_a_number_never_passes(recorded, measured):
    losses = measured["eval_losses"] | {"GAN": float("nan")}
    assert failed(measured | {"eval_losses": losses}, recorded) == ["eval_losses"]


def test_the_program_fails_on_a_wrong_number_and_passes_on_the_right_ones(tmp_path, capsys):
    for suffix in (".json", ".npz"):
        shutil.copy(GOLDEN / f"pix2pixhd{suffix}", tmp_path)
    path = tmp_path / "pix2pixhd.json"
    content = json.loads(path.read_text())
    content["steps"][1]["losses"]["GAN_Feat"] *= 1.01
    path.write_text(json.dumps(content))
    assert main([str(path)]) == 1
    output = capsys.readouterr().out
    assert "FAIL steps.1.losses" in output
    assert output.count("FAIL") == 1


def test_batch_statistics_that_advance_twice_are_noticed(monkeypatch):
    """What the recorded norms cannot see: a forward pass that normalizes, and counts, one batch twice."""
    recording = Recording.read(GOLDEN / "facades_ls.json")
    from models.networks.normalization import SPADE

    forward = SPADE.forward

    def forward_twice(self, x, layout):
        self.param_free_norm(x)
        return forward(self, x, layout)

    monkeypatch.setattr(SPADE, "forward", forward_twice)
    assert Replay(recording, "dense").advances_per_forward() == {"spectral_norm": 1.0, "batch_statistics": 2.0}


def test_a_path_that_is_no_recording_is_bad_input(tmp_path, capsys):
    with pytest.raises(InputError, match="not a recording"):
        main([str(tmp_path / "absent.json")])
    np.savez(tmp_path / "other.npz")
    (tmp_path / "other.json").write_text('{"kind": "diversity"}')
    with pytest.raises(InputError, match=r"a kind that is known here: training, .*segmentation network, segment"):
        main([str(tmp_path / "other.json")])


def test_fill_by_hand():
    """Names, shapes and the seed decide: the same value on every machine."""
    network = nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(2, 3, 3)), nn.BatchNorm2d(3))
    fill(network, seed=1)
    state = network.state_dict()
    rng = np.random.default_rng([1, 4064599907])  # crc32 of "0.weight_orig"
    expected = rng.standard_normal((3, 2, 3, 3)) / np.sqrt(18)
    torch.testing.assert_close(state["0.weight_orig"], torch.tensor(expected, dtype=torch.float32))
    matrix = state["0.weight_orig"].flatten(1)
    assert torch.linalg.matrix_norm(matrix, 2) == pytest.approx(
        (state["0.weight_u"] @ matrix @ state["0.weight_v"]).item(), rel=0.02
    )
    assert state["1.running_var"].min() >= 0.5 and state["1.running_var"].max() < 1.5


@pytest.mark.parametrize(
    "argv",
    [
        "--gan_mode w --norm_G spectralspadeinstance3x3 --no_ganFeat_loss",
        "--gan_mode original --norm_G spadesyncbatch1x1 --norm_D spectralnone --num_upsampling_layers most",
        "--netG pix2pixhd --norm_G spectralbatch --resnet_n_downsample 2 --resnet_n_blocks 1",
        "--use_vae",
    ],
)
def test_recordings_of_other_configurations_can_be_measured(argv):
    """Other losses, norms and networks: nothing about the two recordings at hand is built into the program."""
    original = Recording.read(GOLDEN / "facades_ls.json")
    small = "--dataset_mode facades --ngf 4 --ndf 4 --no_vgg_loss"
    scalars, arrays = original.scalars | {"argv": f"{small} {argv}".split()}, original.arrays
    if "--use_vae" in argv:
        arrays = arrays | {"eps": np.zeros((2, 256), np.float32), "z": np.ones((2, 256), np.float32)}
    measured = Replay(Recording(scalars, arrays)).measure()
    assert ("GAN_Feat" in measured["train_g_losses"]) == ("--no_ganFeat_loss" not in argv)
    assert ("KLD" in measured["train_g_losses"]) == ("--use_vae" in argv)
    layers = {len(scale) for scale in measured["eval_feature_norms"]}
    assert layers == ({1} if "--no_ganFeat_loss" in argv else {5})
    assert np.isfinite(list(measured["steps"][1]["losses"].values())).all()
    assert measured["advances_per_forward"] == {"spectral_norm": 1.0, "batch_statistics": 1.0}
