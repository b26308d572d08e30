"""train.py --deterministic: the same command gives the same bits, and so does a training that was cut and resumed."""

import pytest

pytest.importorskip("dominate", reason="train.py writes pages with dominate, which is not installed")

from tests.gpu.jobs import run_on, run_program
from tests.runs import command, contents, differences

pytestmark = pytest.mark.system

SPADE = "--conditioning spade --norm_G spectralspadesyncbatch3x3"
CASES = [
    ("cpu", "--niter 1"),
    pytest.param("cuda", f"{SPADE} --modulation dense", marks=pytest.mark.gpu),
    pytest.param("cuda", f"{SPADE} --modulation table", marks=pytest.mark.gpu),
    pytest.param("cuda", f"{SPADE} --modulation table --precision bf16", marks=pytest.mark.gpu),
    pytest.param("cuda", f"{SPADE} --modulation dense --precision fp16 --accumulate 2", marks=pytest.mark.gpu),
]


@pytest.mark.parametrize(("device", "flags"), CASES, indirect=["device"])
def test_deterministic_trainings_are_equal_to_the_bit_cut_or_not(device, flags, tmp_path):
    def train(name: str, *more: str) -> str:
        words = ["--deterministic", *flags.split(), "--gpu_ids", "0" if device.type == "cuda" else "-1", *more]
        ((status, printed),) = run_on(device, 1, run_program, "train", command(tmp_path, name, *words))
        assert status == 0, printed
        return printed

    for name in ("first", "second"):
        train(name)
    assert "used up" in train("cut", "--max_images", "6")
    train("cut")
    first, second, cut = (contents(tmp_path / name) for name in ("first", "second", "cut"))
    assert len(first) >= 5
    assert differences(first, second) == []
    assert differences(first, cut) == []
