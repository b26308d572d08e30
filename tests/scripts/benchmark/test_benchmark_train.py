"""The training benchmark runs, survives what fails, and counts memory right."""

import contextlib
import re
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch

from models import METHODS
from models.vgg import VGGLoss
from scripts.benchmark import memory, switches, train
from scripts.benchmark.__main__ import main
from scripts.benchmark.switches import PLAIN, SWITCHES, Workload, flags_of
from scripts.benchmark.timing import Times
from util.errors import InputError

pytestmark = pytest.mark.tools

TINY = Workload("cpu", "coco", batch_size=2, crop_size=64, ngf=2)
COMMAND = "train --device cpu --batch_size 2 --crop_size 64 --ngf 2 --iterations 3 --no_vgg_loss".split()


class Feather:
    """Stands in for a training: its flags say how it fails."""

    def __init__(self, workload, flags):
        if "accumulate" in flags:
            raise torch.OutOfMemoryError("\nCUDA out of memory | tried\nmore lines")
        self.flags = flags

    def step(self):
        if "compile" in self.flags:
            raise NotImplementedError


@pytest.fixture
def one_thread(monkeypatch):
    """Here and in new processes: where others use the cores too, threads that wait for each other take minutes."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def feathers(monkeypatch):
    """Trainings that cost nothing."""
    monkeypatch.setattr(train, "Training", Feather)
    monkeypatch.setattr(train, "peak_on_cpu", lambda workload, flags: 50.0 if "checkpoint" in flags else 100.0)
    monkeypatch.setattr(train, "forget", lambda compiled: None)


def rows(output: str) -> dict[str, list[str]]:
    """The cells of every row, by switch."""
    cells = [re.split(r" *\| *", line.strip("| ")) for line in output.splitlines() if line.startswith("| ")]
    return {row[0].strip("`"): row[1:] for row in cells[1:]}


def test_a_real_training_is_timed_and_weighed(capsys, one_thread):
    main([*COMMAND, "--dataset_mode", "facades", "--only", PLAIN])  # fewer classes than COCO: faster
    output = capsys.readouterr().out
    assert "preset facades (13 semantic channels), 64x64 pixels, batch 2, ngf and ndf 2, without the percept" in output
    assert f"torch {torch.__version__}, threads: 1" in output
    command = "--device cpu --dataset_mode facades --batch_size 2 --crop_size 64 --ngf 2 --iterations 3 --no_vgg_loss"
    assert f"`python -m scripts.benchmark train {command} --only plain`" in output
    ((name, cells),) = rows(output).items()
    assert name == PLAIN
    speed, ratio, peak, fraction, warm_up = (float(cell.split()[0]) for cell in cells)
    assert speed > 0 and ratio > 0 and warm_up > 0
    assert 20 < peak < 2000 and fraction == 1


def test_every_switch_has_a_row_and_failing_ones_do_not_end_the_run(feathers, capsys):
    main(COMMAND)
    output = capsys.readouterr().out
    table = rows(output)
    assert list(table) == [SWITCHES[switch] or PLAIN for switch in SWITCHES]
    assert table["--precision tf32"][0] == "failed: for GPUs only"
    assert table["--compile"][0] == "failed: NotImplementedError"
    assert table["--accumulate 2"][0] == "failed: CUDA out of memory / tried"
    assert table["--checkpoint_activations"][2:4] == ["50", "0.50"]


def test_without_a_plain_training_the_others_have_no_ratios(feathers, monkeypatch):
    monkeypatch.setattr(train, "Training", lambda workload, flags: Feather(workload, flags or "--accumulate"))
    plain, other = train.measure({"": TINY, "--adam fused": TINY}, TINY, 3)
    assert plain.failure and not other.failure
    assert list(other.times.seconds) == ["--adam fused"]
    assert rows("\n".join(train.table([plain, other], 2)))["--adam fused"][1] == ""


def test_flags_that_train_py_refuses_are_an_error_in_its_words():
    with pytest.raises(InputError, match=r"^--accumulate 4: must divide --batch_size 2; use --batch_size 4$"):
        TINY.options("--accumulate 4")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--crop_size", "100"], "--crop_size 100: must be a multiple of 32"),
        (["--iterations", "2"], "--iterations 2: must be 3 or more"),
    ],
)
def test_bad_input_is_one_line(flags, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*COMMAND, *flags])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m scripts.benchmark: error: ") and words in error and error.count("\n") == 1


def test_the_switch_of_channels_last_turns_round_the_default_of_the_device():
    assert (flags_of("channels_last", "cpu"), flags_of("channels_last", "cuda")) == (
        "--channels_last",
        "--no_channels_last",
    )


def test_a_made_batch_is_what_a_data_set_gives():
    opt = TINY.options()
    batch, again = switches.make_batch(opt), switches.make_batch(opt)
    assert batch.keys() == {"labels", "instances", "image"}
    assert batch["labels"].shape == (2, 64, 64) and batch["labels"].dtype == torch.uint8
    assert batch["labels"].max() < opt.num_labels and len(batch["labels"][0].unique()) > 10
    assert batch["image"].shape == (2, 3, 64, 64) and batch["image"].abs().max() <= 1
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_a_made_batch_of_conditioning_images_has_no_labels():
    flags = "--dataset_mode custom --label_dir l --image_dir i --label_nc 0 --input_nc 5 --no_instance --gpu_ids -1"
    opt = switches.training_options([*flags.split(), "--crop_size", "64", "--batch_size", "2"])
    batch = switches.make_batch(opt)
    assert batch.keys() == {"condition", "image"} and batch["condition"].shape == (2, 5, 64, 64)


def test_the_perceptual_loss_takes_the_weights_that_are_written(tmp_path):
    vgg = VGGLoss.pretrained(switches.write_vgg_weights(tmp_path / "vgg.pth"))
    assert all(0 < p.abs().mean() < 1 for p in vgg.parameters())


def test_a_process_that_is_ended_is_a_failure_in_words(monkeypatch):
    class Pool(contextlib.nullcontext):
        def submit(self, *job):
            raise BrokenProcessPool("somewhere")

    monkeypatch.setattr(memory, "ProcessPoolExecutor", lambda *args, **options: Pool(Pool()))
    with pytest.raises(RuntimeError, match="its process was ended, perhaps for lack of memory"):
        memory.peak_on_cpu(TINY, "")


def test_rates_are_of_images():
    times = Times({PLAIN: [2.0] * 4, "--x": [1.0] * 4})
    line = list(train.table([train.Row("--x", times, 3.0, 10.0)], batch_size=8))[-1]
    assert line == "| `--x` | 8 (8..8) | 2.00 (2.00..2.00) | 10 |  | 3.0 |"


@pytest.mark.parametrize(
    "method, flags", [*((name, "") for name in METHODS), ("sims", "--align_segments --order_segments")]
)
def test_a_made_batch_holds_what_every_method_trains_on(method, flags):
    training = switches.Training(Workload("cpu", "landscapes", 1, 64, 2, method=method), flags)
    training.step()
    assert training.trainer.steps == 1 and training.trainer.losses
