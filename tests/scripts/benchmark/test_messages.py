"""What a training step exchanges is what is predicted: nobody adds a message unseen."""

from collections import Counter
from contextlib import ExitStack

import pytest

from data import PRESETS
from models import METHODS
from options import TrainOptions, parse_options
from scripts.benchmark import messages
from scripts.benchmark.messages import BACKWARD, CONTROL, FORWARD, GRADIENTS, Message, predict
from tests.worlds import run_together
from trainers.run import create_run
from util.distributed import World

pytestmark = pytest.mark.tools

TINY = "--dataset_mode landscapes --crop_size 64 --load_size 64 --max_dataset_size 16 --gpu_ids -1 --no_html"
SETTLED = 2
"""The step that is counted, from 0: DDP arranges its buckets anew before the second step of each player."""


def options(flags: str, folder: str) -> TrainOptions:
    argv = f"{TINY} --name counted --checkpoints_dir {folder} {flags}".split()
    return parse_options(TrainOptions, argv, PRESETS, METHODS)


def count(flags: str, folder: str) -> list[Message]:
    """The messages of one step of a training as train.py runs it, in this process."""
    opt, world = options(flags, folder), World.from_environment()
    with ExitStack() as stack:
        run = create_run(opt, world, stack)
        with run.started():
            for number, batch in enumerate(run.reporter.with_bar(run.loader)):
                with messages.Counter() as counter:
                    run.trainer.step(batch, number)
                    run.after_batch(batch)
                if number == SETTLED:
                    return counter.messages
    raise AssertionError("there are more batches")


STATISTICS = (FORWARD, BACKWARD)
SPADE = "--ngf 2 --ndf 2 --no_vgg_loss --batch_size 2"


@pytest.mark.parametrize(
    "flags",
    [
        f"{SPADE} --use_vae --z_dim 4 --ema 0.9 --max_minutes 60 --skip_bad_samples 2",
        f"{SPADE} --batch_size 4 --accumulate 2 --skip_nonfinite 2 --lambda_lecam 0.1",
        f"{SPADE} --checkpoint_activations --modulation dense",
        f"{SPADE} --norm_D spectralsyncbatch --norm_G spectralspadebatch3x3 --modulation dense",
        f"{SPADE} --method spade_plus",
        "--method oasis --ngf 2 --ndf 1 --batch_size 2",
        "--method pix2pix --ngf 2 --ndf 2 --batch_size 2",
    ],
)
def test_a_step_exchanges_what_is_predicted(flags, tmp_path):
    first, second = run_together(2, count, flags, str(tmp_path))
    predicted = predict(options(flags, str(tmp_path)))
    assert Counter(first) == Counter(second)
    assert summary(first) == summary(predicted)
    if "dense" in flags:  # with tables, gradients become ready in an order of their own
        assert Counter(first) == Counter(predicted)


def summary(found: list[Message]) -> Counter:
    """The messages, but of gradients their number and their bytes together."""
    gradients: dict[str, list[int]] = {}
    for message in found:
        if message.purpose == GRADIENTS:
            gradients.setdefault(message.player, []).append(message.size)
    others = Counter(message for message in found if message.purpose != GRADIENTS)
    return others + Counter((player, len(sizes), sum(sizes)) for player, sizes in gradients.items())


def test_on_gpus_statistics_have_a_count_and_steps_no_checks(tmp_path):
    """The 14 norms of a generator with 2 base channels that do not follow another one."""
    widths = [32] * 6 + [32, 16, 16, 8, 8, 4, 4, 2]
    found = predict(options(SPADE, str(tmp_path)), on_gpu=True)
    sizes = {
        purpose: sorted(m.size for m in found if (m.player, m.purpose) == ("G", purpose)) for purpose in STATISTICS
    }
    assert sizes == {FORWARD: sorted(4 * (2 * c + 1) for c in widths), BACKWARD: sorted(4 * 2 * c for c in widths)}
    assert [m.player for m in found if m.purpose == CONTROL] == [""]
