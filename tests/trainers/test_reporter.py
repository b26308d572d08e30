"""What a reporter tells of a training."""

import time

import pytest

from trainers.reporter import Reporter
from util.progress import Progress


class Told:
    """Stands in for a visualizer: keeps what is logged."""

    def log(self, *record, **more):
        self.record, self.more = record, more

    def show(self, *images, samples):
        pass


def slowly(batches, seconds):
    for batch in batches:
        time.sleep(seconds)
        yield batch


@pytest.mark.parametrize("seconds, low, high", [(0.2, 0.2, 1), (0, -1, 0.2)])
def test_losses_are_told_by_player_with_the_time_spent_waiting_for_data(make_trainer, batch, seconds, low, high):
    trainer, told = make_trainer(), Told()
    reporter = Reporter(trainer, Progress(1, images_per_epoch=4), told, None, 1, 100)
    trainer.step(batch)
    for _ in reporter.with_bar(slowly([None, None], seconds)):
        time.sleep(0.02)
        reporter.progress.advance(2)
        reporter.after_batch(2)
    assert low < told.more["waiting"] < high
    assert told.more["players"] == {"GAN": "G", "GAN_Feat": "G", "D_Fake": "D", "D_real": "D"}
