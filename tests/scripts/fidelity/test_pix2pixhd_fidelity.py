"""pix2pixHD against recorded numbers of the published implementation."""

from pathlib import Path

import numpy as np
import pytest

from scripts.fidelity import pix2pixhd
from scripts.fidelity.__main__ import KINDS
from scripts.fidelity.comparison import compare
from scripts.fidelity.recording import Recording
from util.errors import InputError

pytestmark = pytest.mark.tools

GOLDEN = Path(__file__).parents[2] / "golden"
RECORDINGS = ["pix2pixhd_local", "pix2pixhd_feat"]  # the latter has a global generator


@pytest.fixture(scope="module", params=RECORDINGS)
def replayed(request):
    recording = Recording.read(GOLDEN / f"{request.param}.json")
    kind = next(kind for kind in KINDS.values() if kind.recognizes(recording.scalars))
    assert kind is pix2pixhd
    return kind.replay(recording)


def failed(measured, recorded):
    return [result.quantity for result in compare(measured, recorded, pix2pixhd.TOLERANCES) if not result.passed]


def test_every_recorded_number_is_met(replayed):
    assert failed(*replayed) == []


def with_one_wrong_number(value):
    match value:
        case np.ndarray():
            return value + 0.01 * (np.arange(value.size).reshape(value.shape) == value.size // 2)
        case dict():
            return value | {key: with_one_wrong_number(child) for key, child in list(value.items())[-1:]}
        case list():
            return [*value[:-1], with_one_wrong_number(value[-1])]
        case str():
            return f"{value}x"
    return value * 1.02 + 0.02


def test_one_wrong_number_anywhere_is_noticed(replayed):
    measured, recorded = replayed
    for quantity, value in recorded.items():
        wrong = failed(measured, recorded | {quantity: with_one_wrong_number(value)})
        assert {name.split(".")[0] for name in wrong} == {quantity}, quantity
    assert len(recorded) >= 18


def changed(argv: str, **options) -> Recording:
    """The recording of the local enhancer with another command line."""
    original = Recording.read(GOLDEN / "pix2pixhd_local.json")
    options = original.scalars["options"] | options
    return Recording(original.scalars | {"argv": argv.split(), "options": options}, original.arrays)


SMALL = "--label_nc 35 --ngf 2 --ndf 2 --n_downsample_global 1 --n_blocks_global 1 --no_vgg_loss"


def test_other_norms_losses_and_first_epochs_can_be_measured():
    local = "--netG local --n_local_enhancers 2 --n_blocks_local 1 --niter_fix_global 4"
    measured, _ = pix2pixhd.replay(changed(f"{SMALL} {local} --norm batch --no_ganFeat_loss --pool_size 8"))
    assert measured["losses"]["G_GAN_Feat"] == measured["losses"]["G_VGG"] == 0
    outermost = [name for name in measured["keys"]["G"] if name.startswith("model2_")]
    assert measured["trained_at_first"] == len([name for name in outermost if name.endswith((".weight", ".bias"))])
    assert {len(scale) for scale in measured["feature_norms"]["fake"]} == {1}
    assert measured["keys"]["D"]["layer0.3.weight"] == [4]  # of batch norm
    assert np.isfinite(list(measured["steps"][1]["losses"].values())).all()


def test_features_of_labels_without_instance_maps_can_be_measured():
    features = "--no_instance --label_feat --feat_num 2 --nef 2 --n_downsample_E 1"
    measured, _ = pix2pixhd.replay(changed(f"{SMALL} {features} --n_layers_D 2", no_instance=True))
    assert measured["encoder_output"].shape == (2, 2, 64, 128)
    assert measured["keys"]["G"]["model.1.weight"] == [2, 37, 7, 7]
    assert measured["steps"][1]["parameter_changes"]["E"] > 0


def test_the_cross_entropy_that_the_published_code_broke_is_refused():
    with pytest.raises(InputError, match="--no_lsgan"):
        pix2pixhd.replay(changed(f"{SMALL} --no_lsgan", no_lsgan=True))
